"""A broker that is a folder, so that the test needs no server."""

import os
from pathlib import Path

folder = Path(os.environ["BROKER_FOLDER"])
broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": str(folder / "messages"),
    "data_folder_out": str(folder / "messages"),
    "control_folder": str(folder / "control"),
    "polling_interval": 0.2,
}
task_ignore_result = True
worker_hijack_root_logger = False
broker_connection_retry_on_startup = True
