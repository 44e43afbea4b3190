"""Protections of the connector that can be taken out of a process, to see that the ledgers notice."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from lengow.connector.errors import LeaseLost
from lengow.connector.leases import Leases
from lengow.connector.model import ActionState, ChangeState, EventState, OrderState, StepKind
from lengow.connector.store.statements import Statements


@dataclass(frozen=True)
class Broken:
    take_out: Callable[[], None]
    platform: str
    """Where it shows: a platform that does not make up for it by itself."""
    boundaries: tuple[str, ...] = ()
    """At which a death tells, as in `deaths.BOUNDARIES`."""
    wait: float = 0
    """Minutes for which nobody has imported what was sold: more than two windows overlap."""
    goes_on: bool = False
    """Whether the world goes on between the death and the next life."""
    overtaken: bool = False
    """A process that stood still tells, and none that died."""


def _create_without_asking() -> None:
    """What is in doubt is created again without looking whether the shop holds it, under a reference of each process."""
    import lengow.connector.creation as creation

    real, own = creation._create, f"X{os.getpid()}"

    def anew(adapter: Any, shop: str, orders: Any) -> Any:
        again = [msgspec.structs.replace(one, reference=one.reference + own) for one in orders]
        return {
            reference.removesuffix(own): msgspec.structs.replace(result, reference=reference.removesuffix(own))
            for reference, result in real(adapter, shop, again).items()
        }

    creation._settled = lambda *_: None
    creation._create = anew


def _create_without_intent() -> None:
    """That a creation is begun is not written before the shop is called."""
    real = Statements.set_package_states

    def without_begun(self: Statements, rows: Any) -> None:
        real(self, [row for row in rows if row.state is not OrderState.CREATING])

    Statements.set_package_states = without_begun  # type: ignore[method-assign]


def _report_apart() -> None:
    """That a shop order's id is to be reported is written in a transaction of its own, after the one of its creation."""
    import lengow.connector.creation as creation

    real, add_steps = creation._write_outcomes, Statements.add_steps
    later: list[Any] = []

    def without_reports(self: Statements, steps: Any, **options: Any) -> None:
        later.extend(step for step in steps if step.kind is StepKind.REPORT)
        add_steps(self, [step for step in steps if step.kind is not StepKind.REPORT], **options)

    def in_two(context: Any, *arguments: Any) -> None:
        real(context, *arguments)
        with context.store.transaction() as tx:
            add_steps(tx, later)
            later.clear()

    Statements.add_steps = without_reports  # type: ignore[method-assign]
    creation._write_outcomes = in_two


def _send_without_asking() -> None:
    """What may have been told is told again, without reading Lengow's list of actions."""
    import lengow.connector.sending as sending

    sending._found = lambda *_: None


def _send_without_intent() -> None:
    """That an action is being sent is not written before it is."""
    real = Statements.save_action

    def without_sending(self: Statements, row: Any) -> None:
        if row.state is not ActionState.SENDING:
            real(self, row)

    Statements.save_action = without_sending  # type: ignore[method-assign]


def _close_window_first() -> None:
    """The window counts as read before what is in it was recorded; the daily one, which would mend that, reads nothing."""
    import lengow.connector.importer as importer

    real = importer._read_slices

    def first(context: Any, client: Any, step: Any, since: Any, until: Any, *arguments: Any, **options: Any) -> Any:
        if step.kind is StepKind.IMPORT_DAILY:
            since = until
        if options["moves_cursor"]:
            with context.store.transaction() as tx:
                tx.set_value(step.account, importer.COMPLETE_UNTIL, until.isoformat())
        return real(context, client, step, since, until, *arguments, **options)

    importer._read_slices = first


def _settle_event_first() -> None:
    """An event counts as done before its action is queued."""
    import lengow.connector.events as events

    real = events._twins

    def first(context: Any, row: Any) -> Any:
        with context.store.transaction() as tx:
            tx.save_event(msgspec.structs.replace(row, state=EventState.DONE))
        return real(context, row)

    events._twins = first


def _apply_change_first() -> None:
    """What happened at Lengow counts as brought before the shop was told."""
    import lengow.connector.following as following

    real = following._bring

    def first(context: Any, package: Any, row: Any) -> Any:
        with context.store.transaction() as tx:
            tx.save_change(msgspec.structs.replace(row, state=ChangeState.APPLIED))
        return real(context, package, row)

    following._bring = first


def _answer_before_commit() -> None:
    """A webhook is answered first, and kept a little later."""
    import lengow.connector.connector as connector_module
    from lengow.connector.events import Receipt, receive

    def later(context: Any, shop: str, request: Any) -> Receipt:
        threading.Timer(0.15, receive, (context, shop, request)).start()
        return Receipt(1, 0)

    connector_module.receive = later


def _no_fence() -> None:
    """Who has lost a step to another does not notice."""
    real = Statements.mine

    def all_of_them(self: Statements, steps: Any) -> set[int]:
        real(self, steps)
        return {step.id for step in steps}

    def unseen(real: Any) -> Any:
        def quietly(self: Statements, step: Any, *arguments: Any, **options: Any) -> Any:
            with suppress(LeaseLost):
                return real(self, step, *arguments, **options)
            return step

        return quietly

    Leases.hold = lambda *_: True  # type: ignore[method-assign, assignment]
    Statements.mine = all_of_them  # type: ignore[method-assign]
    for name in ("renew", "finish", "postpone", "hold"):
        setattr(Statements, name, unseen(getattr(Statements, name)))


def _mail_without_intent() -> None:
    """What was being mailed is mailed again."""
    import lengow.invoices.mailing as mailing
    from lengow.invoices.ledger import InvoiceState

    real = mailing.Mailer._save

    def forgetful(self: Any, row: Any, state: Any, reason: str = "", about: str = "") -> None:
        unknown = state is InvoiceState.MAIL_UNKNOWN
        real(self, row, InvoiceState.TO_MAIL if unknown else state, reason, about)

    mailing.Mailer._save = forgetful  # type: ignore[method-assign]


BROKEN = {
    "create_intent": Broken(_create_without_intent, "prestashop", ("shop call", "outcome"), goes_on=True),
    "asking_the_shop": Broken(_create_without_asking, "prestashop", ("outcome",)),
    "report_with_outcome": Broken(_report_apart, "generic", ("outcome",)),
    "record_before_cursor": Broken(_close_window_first, "generic", ("record",), wait=200),
    "commit_before_answer": Broken(_answer_before_commit, "generic", ("record",)),
    "action_before_event": Broken(_settle_event_first, "generic", ("action queued", "webhook, event")),
    "shop_before_change": Broken(_apply_change_first, "generic", ("shop call", "follow")),
    "action_intent": Broken(_send_without_intent, "generic", ("action post", "action outcome")),
    "asking_lengow": Broken(_send_without_asking, "prestashop", ("action outcome",)),
    "mail_intent": Broken(_mail_without_intent, "generic", ("mail",)),
    "fence": Broken(_no_fence, "woocommerce", overtaken=True),
}
"""By what protects."""
