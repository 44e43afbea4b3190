"""Product feeds as they stand, and building them anew."""

from flask import Response, abort

from lengow.console.web.language import N_
from lengow.console.web.visit import Visit
from lengow.feeds.building import standing
from lengow.feeds.settings import read_feeds


def show(visit: Visit) -> Response:
    if "feeds" not in visit.site.connector.settings.sections:
        abort(404)
    return visit.page("feeds.html", feeds=list(standing(visit.site.connector)))


def build(visit: Visit, name: str) -> Response:
    settings = visit.site.connector.settings
    if name not in settings.sections.get("feeds", {}):
        abort(404)
    found = read_feeds(settings)[name]
    if not visit.site.jobs.build_feed(settings.shops[found.shop].account, name, visit.who):
        return visit.go("feeds", visit.say(N_("Work on this account is under way already.")), wrong=True)
    return visit.go("overview", visit.say(N_("%(feed)s is being built."), feed=name))
