"""Whether the order that the shop keeps is the one that was sold. Pure."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.prestashop.api import associated, text
from lengow.adapters.prestashop.plan import Plan
from lengow.adapters.prestashop.profile import Profile, decimal, number


class Difference(msgspec.Struct, frozen=True):
    field: str
    sentence: str
    what_to_do: str


def difference(
    plan: Plan, view: Entry, profile: Profile, addresses: tuple[str, str] | None = None
) -> Difference | None:
    """The first thing that is not as planned. `addresses`: the ids of delivery and invoice address, where known."""
    return (
        _lines(plan, view)
        or _carrier(plan, view, profile)
        or _addresses(view, addresses)
        or _goods(plan, view)
        or _state(view, profile)
        or _total(plan, view)
    )


def rows_of(view: Entry) -> dict[tuple[int, int], int]:
    """Pieces by product and combination."""
    found: dict[tuple[int, int], int] = {}
    for row in associated(view, "order_rows"):
        key = (number(row, "product_id"), number(row, "product_attribute_id"))
        found[key] = found.get(key, 0) + number(row, "product_quantity")
    return found


def _lines(plan: Plan, view: Entry) -> Difference | None:
    wanted, held = plan.quantities(), rows_of(view)
    if wanted == held:
        return None
    if held and held.items() < wanted.items():
        return Difference(
            "order_rows",
            f"PrestaShop keeps {len(held)} of {len(wanted)} lines: it makes several orders of products that are tied to "
            "different carriers",
            "Let the marketplaces' carrier carry all of the products (Product > Shipping)",
        )
    return Difference("order_rows", f"PrestaShop was given {_told(wanted)} and keeps {_told(held)}", PLUGIN)


def _carrier(plan: Plan, view: Entry, profile: Profile) -> Difference | None:
    held = number(view, "id_carrier")
    if held == plan.carrier:
        return None
    names = {one.id: one.name for one in profile.carriers}
    return Difference(
        "id_carrier",
        f"PrestaShop replaced the carrier {names.get(plan.carrier, plan.carrier)!r} by {names.get(held, held)!r}",
        "Let the carrier serve the zone, group and products of the order, with ranges for any weight (Shipping > "
        "Carriers)",
    )


def _addresses(view: Entry, addresses: tuple[str, str] | None) -> Difference | None:
    for name, wanted in zip(("id_address_delivery", "id_address_invoice"), addresses or (), strict=False):
        if text(view, name) != wanted:
            return Difference(name, f"PrestaShop was given the address {wanted} and keeps {text(view, name)}", PLUGIN)
    return None


def _goods(plan: Plan, view: Entry) -> Difference | None:
    held = decimal(view, "total_products_wt")
    if held == plan.goods:
        return None
    return Difference(
        "total",
        f"The lines come to {plan.goods}, and PrestaShop makes them {held:.2f}",
        "Look for a price rule, a tax rule or a module that changes prices in the cart",
    )


def _state(view: Entry, profile: Profile) -> Difference | None:
    state = number(view, "current_state")
    if state not in profile.bad_states:
        return None
    known = profile.states.get(state)
    return Difference(
        "current_state",
        f"PrestaShop put the order into the state {known.name if known else state!r}",
        "Look for a cart rule or a module that changes the total of the cart, or the state of new orders",
    )


def _total(plan: Plan, view: Entry) -> Difference | None:
    for name, wanted in (
        ("total_paid", plan.total),
        ("total_paid_tax_incl", plan.total),
        ("total_shipping", plan.shipping),
    ):
        if decimal(view, name) != wanted:
            return Difference(
                "total", f"{name} is to be {wanted}, and PrestaShop keeps {decimal(view, name):.2f}", PLUGIN
            )
    return None


PLUGIN = "Look for a module that changes orders"


def off_of(plan: Plan) -> Decimal:
    """The cents between the marketplace's total and what the shop makes of the lines."""
    return plan.total - plan.goods - plan.shipping - plan.fee


def _told(rows: Mapping[tuple[int, int], int]) -> str:
    return ", ".join(f"{count} × {product}_{part}" for (product, part), count in sorted(rows.items())) or "no lines"
