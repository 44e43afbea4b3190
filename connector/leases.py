"""Keeps the leases of a batch while it is worked on: the fence is checked again right before each call outside."""

import threading
from collections.abc import Sequence
from datetime import timedelta

from lengow.connector.context import Context
from lengow.connector.store.rows import Step


class Leases:
    """The steps of one batch. Once half of the lease is over they are renewed; what was taken over is let go."""

    def __init__(self, context: Context, steps: Sequence[Step]) -> None:
        self._context = context
        self._steps = {step.id: step for step in steps}
        self._lock = threading.Lock()

    def hold(self, step: Step) -> bool:
        """Whether the step is still ours, and for at least half a lease from now."""
        half = timedelta(seconds=self._context.settings.store.lease_seconds / 2)
        with self._lock:
            kept = self._steps.get(step.id)
            if kept is None or kept.lease_until is None:
                return False
            if not half <= kept.lease_until - self._context.now() <= 2 * half:  # longer: the clock was set back
                self._renew()
            return step.id in self._steps

    def _renew(self) -> None:
        lease_until = self._context.lease_end()
        with self._context.store.transaction() as tx:
            mine = tx.mine(list(self._steps.values()))
            self._steps = {
                step_id: tx.renew(step, lease_until) for step_id, step in self._steps.items() if step_id in mine
            }
