"""What of an order was given back, as Lengow tells it."""

from decimal import Decimal

import msgspec
import pytest
from test_documents import MIXED, order

from lengow.connector.model import Line
from lengow.invoices.shipped import GivenBack, given_back


def backs(line: Line, status: str = "shipped") -> list[GivenBack]:
    return given_back(order(line, MIXED[1], status=status), [])


@pytest.mark.parametrize(
    ("refunded", "state", "pieces"),
    [("59.94", "shipped", 2), ("89.91", "shipped", None), ("0", "refunded", None), ("100", "shipped", None)],
)
def test_whole_pieces_are_credited_up_to_what_was_given_back(refunded: str, state: str, pieces: int | None) -> None:
    line = msgspec.structs.replace(MIXED[2], amount=Decimal("89.91"), refunded=Decimal(refunded), status=state)
    [back] = backs(line)
    assert (back.line_id, back.pieces, back.for_a_person) == ("3", pieces, "")


def test_a_part_of_a_piece_is_credited_as_an_amount() -> None:
    [back] = backs(msgspec.structs.replace(MIXED[2], refunded=Decimal("1.00")))
    assert (back.pieces, back.amount, back.for_a_person) == (None, Decimal("1.00"), "")


def test_an_order_refunded_in_part_without_a_word_of_lines_waits_for_a_person() -> None:
    [back] = backs(MIXED[2], "partial_refunded")
    assert back.for_a_person == "refund_amount_unknown"


def test_nothing_is_given_back_of_what_was_only_shipped() -> None:
    assert backs(MIXED[2]) == []
