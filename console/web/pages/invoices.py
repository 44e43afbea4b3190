"""Invoices and credit notes: what waits for a person first; the documents, and mailing them again."""

from flask import Response, abort, request

from lengow.console.web import labels
from lengow.console.web.language import N_
from lengow.console.web.pages.changes import given_reason
from lengow.console.web.visit import Site, Visit
from lengow.invoices import InvoiceHeld, Invoices, InvoiceState, InvoiceUnknown
from lengow.invoices.ledger import FOR_A_PERSON

MANY = 200
WAITING = "person"


def show(visit: Visit) -> Response:
    state = request.args.get("state", WAITING)
    states = [InvoiceState(state)] if state in set(InvoiceState) else FOR_A_PERSON if state == WAITING else ()
    with invoices_of(visit.site) as invoices:
        found = invoices.listed(states=states, limit=MANY)
    return visit.page(
        "invoices.html",
        invoices=found,
        state=state,
        states=[
            (WAITING, N_("waits for a person")),
            *((one, labels.INVOICE_STATES.get(one, one)) for one in InvoiceState),
        ],
        waiting=FOR_A_PERSON,
    )


def pdf(visit: Visit, invoice_id: int) -> Response:
    with invoices_of(visit.site) as invoices:
        try:
            content = invoices.pdf(invoice_id)
        except InvoiceUnknown:
            abort(404)
    answer = Response(content, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="invoice-{invoice_id}.pdf"'
    return answer


def retry(visit: Visit, invoice_id: int) -> Response:
    with invoices_of(visit.site) as invoices:
        invoices.retry(invoice_id, who=visit.who)
    return visit.go("invoices", visit.say(N_("The invoice is tried again.")))


def resend(visit: Visit, invoice_id: int) -> Response:
    with invoices_of(visit.site) as invoices:
        try:
            row = invoices.resend(invoice_id, who=visit.who)
        except InvoiceHeld as error:
            return visit.go("invoices", str(error), wrong=True)
    visit.site.jobs.work(row.account, visit.who)
    return visit.go("invoices", visit.say(N_("The invoice is mailed once more.")))


def dismiss(visit: Visit, invoice_id: int) -> Response:
    with invoices_of(visit.site) as invoices:
        invoices.dismiss(invoice_id, given_reason(), who=visit.who)
    return visit.go("invoices", visit.say(N_("The invoice is dismissed.")))


def invoices_of(site: Site) -> Invoices:
    if "invoices" not in site.connector.settings.sections:
        abort(404)
    return Invoices(site.connector)
