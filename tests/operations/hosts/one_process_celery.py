"""`celery worker --beat`, with beat as a thread: what it sends must reach the worker without a server between them."""

from celery.beat import EmbeddedService
from celery_shop import app

beat = EmbeddedService(app, thread=True, schedule_filename="beat")
beat.start()
try:
    app.worker_main(["worker", "--pool", "threads", "--concurrency", "2", "--without-mingle", "--without-gossip"])
finally:
    beat.stop()
