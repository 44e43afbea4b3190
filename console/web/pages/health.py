"""Whether everything is set up and running: the accounts' syncs, the steps that wait for a person, the doctor."""

from flask import Response, request

from lengow.console.web.language import N_
from lengow.console.web.pages.overview import account_facts
from lengow.console.web.visit import Visit

MANY = 200


def show(visit: Visit) -> Response:
    """The doctor calls Lengow and every shop, so it is asked only on request; what needs no call is shown at once."""
    site = visit.site
    asked = request.args.get("examine") == "yes" and visit.may("operator")
    held = site.store.steps(held=True, limit=MANY)
    due = [step for step in site.store.steps(held=False, limit=MANY) if step.due_at <= site.now()]
    return visit.page(
        "health.html",
        accounts=[account_facts(site, name) for name in site.connector.settings.accounts],
        problems=site.connector.problems(),
        held=held,
        due=due,
        many=MANY,
        examined=site.connector.doctor() if asked else site.connector.examine_works(),
        journal=site.store.general_journal(limit=20),
    )


def retry_step(visit: Visit, step_id: int) -> Response:
    step = visit.site.connector.retry_step(step_id, who=visit.who)
    account = step.account or visit.site.connector.settings.shops[step.shop].account
    visit.site.jobs.work(account, visit.who)
    return visit.go("health", visit.say(N_("The step is taken up again.")))
