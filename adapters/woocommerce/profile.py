"""What of the shop itself an order depends on: version, storage, currency, tax settings and rates. Read once an hour."""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from lengow.adapters.calls import Deadline
from lengow.adapters.kept import Kept
from lengow.adapters.woocommerce.api import Shop
from lengow.adapters.woocommerce.taxes import Rate, TaxSettings

KEPT_SECONDS = 3600.0
SEARCHES_TRANSACTION_ID_SINCE = (8, 9)
"""And only where orders are in tables of their own (FINDINGS (d))."""


class Profile(msgspec.Struct, frozen=True):
    version: tuple[int, ...]
    hpos: bool
    """Orders in tables of their own (High-Performance Order Storage), not as posts."""
    currency: str
    taxes: TaxSettings

    @property
    def searches_transaction_id(self) -> bool:
        return self.hpos and self.version >= SEARCHES_TRANSACTION_ID_SINCE


class Profiles(Kept[Profile]):
    """The profile of one shop, kept for an hour, or until `forget`.

    Reading it raises ShopUnavailable, and Refusal when the key may not read the settings.
    """

    seconds = KEPT_SECONDS

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self._shop = shop

    def _read(self, deadline: Deadline) -> Profile:
        status = self._shop.get(
            "system_status", deadline, _fields="environment.version,settings.HPOS_enabled,settings.currency"
        ).value
        general = self._settings("general", deadline)
        enabled = general.get("woocommerce_calc_taxes") == "yes"
        tax = self._settings("tax", deadline) if enabled else {}
        rates = [row for page in (self._shop.pages("taxes", deadline) if enabled else ()) for row in page]
        return Profile(
            version=_numbers(_inner(status, "environment", "version")),
            hpos=_inner(status, "settings", "HPOS_enabled") is True,
            currency=str(general.get("woocommerce_currency") or ""),
            taxes=TaxSettings(
                enabled=enabled,
                prices_include_tax=tax.get("woocommerce_prices_include_tax") == "yes",
                based_on=str(tax.get("woocommerce_tax_based_on") or "shipping"),
                shipping_class=str(tax.get("woocommerce_shipping_tax_class") or ""),
                round_at_subtotal=tax.get("woocommerce_tax_round_at_subtotal") == "yes",
                base_country=str(general.get("woocommerce_default_country") or ""),
                decimals=_decimals(general.get("woocommerce_price_num_decimals")),
                rates=tuple(map(_rate, rates)),
            ),
        )

    def _settings(self, group: str, deadline: Deadline) -> dict[str, Any]:
        answer = self._shop.page(f"settings/{group}", deadline, _fields="id,value")
        return {str(row.get("id")): row.get("value") for row in answer.value}


def _rate(row: dict[str, Any]) -> Rate:
    tax_class = str(row.get("class") or "")
    return Rate(
        country=str(row.get("country") or ""),
        state=str(row.get("state") or ""),
        postcodes=tuple(_texts(row.get("postcodes"), row.get("postcode"))),
        cities=tuple(_texts(row.get("cities"), row.get("city"))),
        percent=_decimal(row.get("rate")),
        priority=int(row.get("priority") or 1),
        compound=bool(row.get("compound")),
        shipping=bool(row.get("shipping")),
        order=int(row.get("order") or 0),
        tax_class="" if tax_class == "standard" else tax_class,
    )


def _texts(several: Any, one: Any) -> list[str]:
    """Newer shops give a list, older ones a text with semicolons."""
    given = several if isinstance(several, list) and several else str(one or "").split(";")
    return [str(text).strip().upper() for text in given if str(text).strip()]


def _numbers(version: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version or "0").split("-")[0].split(".") if part.isdigit())


def _inner(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _decimals(value: Any) -> int:
    return int(value) if str(value).isdigit() else 2


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
