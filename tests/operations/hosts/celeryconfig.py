"""A broker within the process, so that the test needs no server."""

broker_url = "memory://"
broker_transport_options = {"polling_interval": 0.2}
task_ignore_result = True
worker_hijack_root_logger = False
broker_connection_retry_on_startup = True
