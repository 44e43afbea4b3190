"""What is measured: counts by state, and the queue of steps. In SQL that SQLite and PostgreSQL both take.

Each is a walk along one index, in its order, without a look at the rows.
"""

from collections import Counter
from datetime import datetime

from lengow.connector.model import ActionState, EventState, OrderState, StepKind
from lengow.connector.store.columns import moment_of, text_of
from lengow.connector.store.database import Source
from lengow.connector.store.rows import QueueRow


class Measuring:
    """The part of the contract's `Reading` that metrics and health ask for."""

    _db: Source

    def count_orders_of_shops(self) -> dict[tuple[str, str, OrderState], int]:
        rows = self._db.rows(
            "SELECT account, state, reason, shop, count(*) FROM orders GROUP BY account, state, reason, shop"
        )
        found: Counter[tuple[str, str, OrderState]] = Counter()
        for account, state, _, shop, count in rows:
            found[account, shop, OrderState(state)] += count
        return found

    def count_actions(self) -> dict[tuple[str, ActionState], int]:
        rows = self._db.rows("SELECT account, state, count(*) FROM actions GROUP BY account, state")
        return {(account, ActionState(state)): count for account, state, count in rows}

    def count_events(self) -> dict[tuple[str, EventState], int]:
        rows = self._db.rows("SELECT shop, state, count(*) FROM events GROUP BY shop, state")
        return {(shop, EventState(state)): count for shop, state, count in rows}

    def queue(self, now: datetime) -> list[QueueRow]:
        rows = self._db.rows(
            """
            SELECT kind, held, sum(CASE WHEN due_at <= ? THEN 1 ELSE 0 END), count(*), min(due_at) FROM steps
            GROUP BY kind, held ORDER BY kind, held
            """,
            [text_of(now)],
        )
        return [
            QueueRow(StepKind(kind), bool(held), due, count, moment_of(oldest) or now)
            for kind, held, due, count, oldest in rows
        ]
