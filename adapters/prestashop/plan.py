"""What the connector writes into the shop for itself: before the order, what it is to be; in the order, that it is ours.

The plan is the last line of the note of the order's own customer, so that whoever comes after a crash can finish. The
mark is the first line of the order's note, and can be searched for (captures 141, 165).
"""

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import quote, unquote

import msgspec

from lengow.connector.prepared import prepare

MARK = "Lengow reference: "
ASIDE = "Lengow set aside: "
SETTING_ASIDE = "Lengow setting aside: "
"""Until it is cancelled and its stock given back: whoever finds it so goes on with that."""


class PlannedLine(msgspec.Struct, frozen=True):
    """A line of the marketplace's order, and the product that it is in the shop."""

    id: str
    product: int
    combination: int
    quantity: int
    amount: Decimal
    """Tax included."""


class Plan(msgspec.Struct, frozen=True):
    reference: str
    payment: str
    """The order's payment label: it tells ours from a merchant's own order for the same customer."""
    carrier: int
    lines: tuple[PlannedLine, ...]
    goods: Decimal
    """What PrestaShop will make of the lines, tax included."""
    shipping: Decimal
    shipping_net: Decimal
    fee: Decimal
    fee_net: Decimal
    total: Decimal
    total_net: Decimal
    state: int
    """What the order is moved to; 0: it stays where PrestaShop puts it."""
    kept: bool
    """Whether its goods are given back to the stock."""
    shipped: bool
    """Whether no shipment of it is to be told."""
    note: str
    released: bool = False
    """Whether the creation is over without an order, so that another can begin at once."""

    def quantities(self) -> dict[tuple[int, int], int]:
        """Pieces by product and combination: PrestaShop makes one row of the same product (its `Cart::updateQty`)."""
        found: dict[tuple[int, int], int] = {}
        for line in self.lines:
            key = (line.product, line.combination)
            found[key] = found.get(key, 0) + line.quantity
        return found


class Mark(msgspec.Struct, frozen=True):
    """The first line of an order's note."""

    reference: str
    kept: bool = False
    shipped: bool = False
    refunds: Mapping[str, Decimal] = {}
    slips: Mapping[str, str] = {}
    """The order slip of each refund, by the refund's id, where it is known."""
    begun: tuple[str, Decimal, Decimal] | None = None
    """A refund that was begun: its id, its amount, and what the order's slips came to before it."""


def email_of(reference: str, domain: str) -> str:
    """The address of the order's own customer. The shop takes it once, so that no second one comes (capture 050)."""
    return f"{hashlib.sha256(reference.encode()).hexdigest()[:32]}@{domain}"


def customer_note(plan: Plan) -> str:
    head = (
        f"Made by the Lengow connector for one order; the last line is its own, and is not to be changed.\n{plan.note}"
    )
    line = msgspec.json.encode(plan).decode()
    for sign in "&<>":
        line = line.replace(sign, f"\\u{ord(sign):04x}")
    return f"{head}\n{line}"


def plan_in(note: str) -> Plan | None:
    """None where the note was changed beyond reading."""
    try:
        return msgspec.json.decode(note.strip().rpartition("\n")[2], type=Plan)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def order_note(mark: Mark, rest: str) -> str:
    """`rest`: what stands below, for the merchant."""
    words = [MARK + quote(mark.reference, safe="")]
    words += ["kept"] if mark.kept else []
    words += ["shipped"] if mark.shipped else []
    words += [
        f"refunded {quote(id_, safe='')}={amount}{'#' if id_ in mark.slips else ''}{mark.slips.get(id_, '')}"
        for id_, amount in mark.refunds.items()
    ]
    if mark.begun is not None:
        id_, amount, before = mark.begun
        words.append(f"refunding {quote(id_, safe='')}={amount}@{before}")
    return f"{'; '.join(words)}\n{rest}".strip()


def mark_in(note: str) -> Mark | None:
    """None where the order carries no mark of ours, or was set aside."""
    first = note.strip().partition("\n")[0].strip()
    if not first.startswith(MARK):
        return None
    reference, *words = first.removeprefix(MARK).split("; ")
    told = [_refund(word) for word in words if word.startswith("refunded ")]
    return Mark(
        unquote(reference),
        kept="kept" in words,
        shipped="shipped" in words,
        refunds={id_: amount for id_, amount, _ in told},
        slips={id_: slip for id_, _, slip in told if slip},
        begun=next((_begun(word) for word in words if word.startswith("refunding ")), None),
    )


def rest_of(note: str) -> str:
    """The note without our line."""
    first, _, rest = note.strip().partition("\n")
    return rest if first.startswith((MARK, ASIDE, SETTING_ASIDE)) else note


def is_aside(note: str) -> bool:
    return note.strip().startswith(ASIDE)


def is_being_set_aside(note: str, reference: str) -> bool:
    return note.strip().partition("\n")[0].strip() == SETTING_ASIDE + quote(reference, safe="")


def aside_note(reference: str, reason: str, *, done: bool) -> str:
    return f"{ASIDE if done else SETTING_ASIDE}{quote(reference, safe='')}\n{reason}"


def _refund(word: str) -> tuple[str, Decimal, str]:
    id_, _, told = word.removeprefix("refunded ").partition("=")
    amount, _, slip = told.partition("#")
    return unquote(id_), _amount(amount), slip


def _begun(word: str) -> tuple[str, Decimal, Decimal]:
    id_, _, amounts = word.removeprefix("refunding ").partition("=")
    amount, _, before = amounts.partition("@")
    return unquote(id_), _amount(amount), _amount(before)


def _amount(text: str) -> Decimal:
    return Decimal(text) if re.fullmatch(r"\d+(\.\d+)?", text) else Decimal(0)


prepare(Plan)
