"""One order, fetched and worked off now: whatever of it is due, or waits for its next try."""

from lengow.connector.context import Context
from lengow.connector.errors import OrderUnknown
from lengow.connector.marketplaces import REFRESH_AFTER, refresh_marketplaces
from lengow.connector.model import ActionState, OrderState, StepKind
from lengow.connector.recorder import Recorder
from lengow.connector.steps import run_one
from lengow.connector.store.rows import NewStep, OrderKey, StoredOrder


def sync_order(context: Context, key: OrderKey) -> StoredOrder:
    """Fetch an order, known or not, and do what can be done of it: create, report, bring changes, send its actions.

    What waits for a person goes on waiting. Raises OrderUnknown where Lengow has no such order, and ApiError.
    """
    refresh_marketplaces(context, key.account, older_than=REFRESH_AFTER)
    page = context.client(key.account).order(key.marketplace, key.marketplace_order_id)
    if not page.results:
        raise OrderUnknown(
            f"Lengow has no order {key}.",
            what_to_do="Check marketplace and number; Lengow collects from most marketplaces every 15 minutes.",
            order=str(key),
        )
    Recorder(context, key.account).record([bytes(raw) for raw in page.results], latest=True)
    stored = _stored(context, key)
    _make_due(context, stored)
    for row in stored.packages:
        run_one(context, StepKind.CREATE, str(row.id))
        run_one(context, StepKind.FOLLOW, str(row.id))
    run_one(context, StepKind.REPORT, str(stored.order.id))
    for action in context.store.actions_of(stored.order.id):
        if action.state in (ActionState.QUEUED, ActionState.SENDING):
            run_one(context, StepKind.SEND, str(action.id))
    return _stored(context, key)


def _make_due(context: Context, stored: StoredOrder) -> None:
    """Have the creations that wait for their next try tried now, also where their shop is being left alone."""
    waiting = {str(row.id): row for row in stored.packages if row.state is not OrderState.CREATED}
    with context.store.transaction() as tx:
        steps = [step for step in tx.steps_of(StepKind.CREATE, list(waiting)).values() if not step.held]
        tx.add_steps(
            [NewStep(step.kind, step.subject, context.now(), account=step.account, shop=step.shop) for step in steps]
        )
    for step in steps:
        context.circuit.note(step.shop, context.now(), answered=True)


def _stored(context: Context, key: OrderKey) -> StoredOrder:
    [stored] = context.store.orders_named(key.account, [(key.marketplace, key.marketplace_order_id)]).values()
    return stored
