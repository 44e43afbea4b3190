"""Reports the shop's order ids to Lengow, once an order's packages are created (reference lengow.md §3)."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from lengow.connector.context import Context
from lengow.connector.errors import ApiError, ApiUnavailable, RateLimited, Unauthorized
from lengow.connector.model import OrderState
from lengow.connector.retry import retry_after, steady_pause
from lengow.connector.store.contract import Reading
from lengow.connector.store.rows import Step

FOREIGN = "foreign_ids {}"
"""Where the ids are kept that an order had before ours, by its number."""


def report_order(context: Context, step: Step) -> bool:
    """Send all shop order ids of one order; False when Lengow did not answer.

    The list replaces the former one, so repeating is safe. Ids that another system gave the order before are kept in
    it, after ours.
    """
    order_id = int(step.subject)
    stored = context.store.order(order_id)
    ids = _shop_order_ids(context.store, order_id)
    foreign = _foreign_ids(context, step.account, order_id, ids)
    error: ApiError | None = None
    if stored is not None and ids:
        order = stored.order
        try:
            context.client(step.account).set_merchant_order_ids(
                order.marketplace, order.marketplace_order_id, [*ids, *foreign]
            )
        except ApiError as failed:
            error = failed
    with context.store.transaction() as tx:
        if error is not None:
            asked = error.retry_after if isinstance(error, RateLimited) else None
            silent = isinstance(error, ApiUnavailable | RateLimited | Unauthorized)
            patience = steady_pause if silent else retry_after
            pause = patience(step.attempts, jitter=context.jitter(), asked=asked)
            if pause is None:
                tx.hold(step, str(error))
            else:
                tx.postpone(step, context.now() + timedelta(seconds=pause), f"{error.code}: {error}")
            tx.note([context.entry(order_id, "report_failed", f"{error.code}: {error}")])
        elif _shop_order_ids(tx, order_id) != ids:
            tx.postpone(step, context.now(), restart=True)
        else:
            tx.finish([step])
            tx.note([context.entry(order_id, "reported", ", ".join([*ids, *foreign]))])
            if foreign:
                tx.set_value(step.account, FOREIGN.format(order_id), msgspec.json.encode(foreign).decode())
    return not isinstance(error, ApiUnavailable | RateLimited | Unauthorized)


def _shop_order_ids(reading: Reading, order_id: int) -> list[str]:
    stored = reading.order(order_id)
    return [row.shop_order_id for row in stored.packages if row.state is OrderState.CREATED] if stored else []


def _foreign_ids(context: Context, account: str, order_id: int, own: Sequence[str]) -> list[str]:
    """What Lengow held before our first report; from then on, ids of ours that were given up would look the same."""
    if context.store.noted([order_id], "reported"):
        kept = context.store.get_value(account, FOREIGN.format(order_id))
        return msgspec.json.decode(kept, type=list[str]) if kept else []
    order = context.store.models([order_id]).get(order_id)
    return [one for one in order.merchant_order_ids if one not in own] if order else []
