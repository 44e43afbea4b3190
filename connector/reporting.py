"""Reports the shop's order ids to Lengow, once an order's packages are created (reference lengow.md §3)."""

from datetime import timedelta

from lengow.connector.context import Context
from lengow.connector.errors import ApiError, ApiUnavailable, RateLimited, Unauthorized
from lengow.connector.model import OrderState
from lengow.connector.retry import retry_after, steady_pause
from lengow.connector.store.contract import Reading
from lengow.connector.store.rows import Step


def report_order(context: Context, step: Step) -> bool:
    """Send all shop order ids of one order; False when Lengow did not answer.

    The list replaces the former one, so repeating is safe.
    """
    order_id = int(step.subject)
    stored = context.store.order(order_id)
    ids = _shop_order_ids(context.store, order_id)
    error: ApiError | None = None
    if stored is not None and ids:
        order = stored.order
        try:
            context.client(step.account).set_merchant_order_ids(order.marketplace, order.marketplace_order_id, ids)
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
            tx.note([context.entry(order_id, "reported", ", ".join(ids))])
    return not isinstance(error, ApiUnavailable | RateLimited | Unauthorized)


def _shop_order_ids(reading: Reading, order_id: int) -> list[str]:
    stored = reading.order(order_id)
    return [row.shop_order_id for row in stored.packages if row.state is OrderState.CREATED] if stored else []
