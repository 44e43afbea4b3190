from flask_shop import connector

workers = 3


def post_worker_init(worker):
    connector.start()


def worker_exit(server, worker):
    connector.stop()
