"""Notices that the clock was set back, so that nothing waits until it has caught up again.

What is due is kept as times. After the clock went back by hours, everything would be due hours too late; so the newest
time that was seen is kept too. A clock that goes forward makes things due early, which harms nothing.
"""

import logging
from datetime import datetime, timedelta

from lengow.connector.context import Context

log = logging.getLogger("lengow.connector.clock")

OF_ALL = ""
"""Where what belongs to no account is kept, beside the accounts' values."""
SEEN = "clock_seen"
KEPT_EVERY = timedelta(minutes=1)
SET_BACK = timedelta(minutes=5)
"""How far back is more than an adjustment."""


def mind_clock(context: Context) -> bool:
    """Have what waits for a later time run now, where the clock was set back since it was last seen; whether it was.

    Leases last no longer than from now on: who still works under one renews it before his next call (`Leases`).
    """
    now = context.now()
    text = context.store.get_value(OF_ALL, SEEN)
    seen = datetime.fromisoformat(text) if text else None
    if seen is not None and seen - SET_BACK <= now < seen + KEPT_EVERY:
        return False
    back = seen is not None and now < seen
    with context.store.transaction() as tx:
        if seen is not None and back:
            tx.make_due(now, context.lease_end())
            tx.note([context.entry(None, "clock_set_back", f"from {seen.isoformat()} to {now.isoformat()}")])
        tx.set_value(OF_ALL, SEEN, now.isoformat())
    if back:
        log.warning("the clock was set back", extra={"from_time": text, "to_time": now.isoformat()})
    return back
