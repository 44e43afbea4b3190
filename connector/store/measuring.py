"""What is measured: counts by state, and the queue of steps. In SQL that SQLite and PostgreSQL both take.

Each is a walk along one index, without a look at the rows.
"""

from datetime import datetime

from lengow.connector.model import ActionState, EventState, OrderState, StepKind
from lengow.connector.store.columns import moment_of, text_of
from lengow.connector.store.database import Source
from lengow.connector.store.rows import QueueRow


class Measuring:
    """The part of the contract's `Reading` that metrics and health ask for."""

    _db: Source

    def count_orders_of_shops(self) -> dict[tuple[str, str, OrderState], int]:
        rows = self._db.rows("SELECT account, shop, state, count(*) FROM orders GROUP BY account, shop, state")
        return {(account, shop, OrderState(state)): count for account, shop, state, count in rows}

    def count_actions(self) -> dict[tuple[str, ActionState, str], int]:
        rows = self._db.rows(
            "SELECT account, state, action_type, count(*) FROM actions GROUP BY account, state, action_type"
        )
        return {(account, ActionState(state), action): count for account, state, action, count in rows}

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
