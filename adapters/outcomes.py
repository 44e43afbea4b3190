"""What becomes of an order or a change, said once for all platforms."""

from collections.abc import Callable
from typing import TypeVar

from lengow.adapters.calls import Busy, Lost
from lengow.connector.adapter import Rejected, Updated, UpdateOutcome

R = TypeVar("R", bound=Exception)


class Problem(Exception):
    """It cannot be brought into this shop as it is; the sentence says why and what to do."""

    def __init__(self, field: str, sentence: str, *, retry: bool = False) -> None:
        super().__init__(sentence)
        self.field, self.retry = field, retry

    def outcome(self, reference: str) -> Rejected:
        return Rejected(reference, str(self), retry=self.retry, field=self.field)


def outcome_of(
    reference: str, bring: Callable[[], None], refusal: type[R], rejected: Callable[[str, R], Rejected]
) -> UpdateOutcome:
    """Of a change that `bring` brings. `refusal`: what the platform's API raises when the shop says no; `rejected`: what
    that means. Raises ShopUnavailable.
    """
    try:
        bring()
    except refusal as error:
        return rejected(reference, error)
    except (Problem, Busy, Lost) as error:
        return error.outcome(reference)
    return Updated(reference)
