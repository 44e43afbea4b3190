from celery import Celery

from lengow.connector import Connector, Settings

connector = Connector(Settings.load())
app = Celery("celery_shop")
app.config_from_object("celeryconfig")
app.conf.beat_schedule = {"lengow": {"task": "celery_shop.look_for_work", "schedule": 1.0}}


@app.task
def look_for_work():
    for step in connector.due_steps():
        run_step.delay(step.kind, step.subject)


@app.task(acks_late=True)
def run_step(kind, subject):
    connector.run_step(kind, subject)
