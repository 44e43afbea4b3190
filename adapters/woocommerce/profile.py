"""What of the shop itself an order depends on: version, storage, currency, tax settings and rates. Read once an hour."""

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.kept import Kept
from lengow.adapters.woocommerce.api import Shop
from lengow.adapters.woocommerce.taxes import Rate, TaxSettings

KEPT_SECONDS = 3600.0
SETTINGS = frozenset(
    {
        "woocommerce_calc_taxes",
        "woocommerce_currency",
        "woocommerce_default_country",
        "woocommerce_price_num_decimals",
        "woocommerce_prices_include_tax",
        "woocommerce_shipping_tax_class",
        "woocommerce_tax_based_on",
        "woocommerce_tax_round_at_subtotal",
    }
)
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
        ).entry
        general = self._settings("general", deadline)
        enabled = general.get("woocommerce_calc_taxes") == "yes"
        tax = self._settings("tax", deadline) if enabled else {}
        rates = [row for page in (self._shop.pages("taxes", deadline) if enabled else ()) for row in page]
        return Profile(
            version=numbers_of(status.entry("environment").text("version", "")),
            hpos=status.entry("settings").get("HPOS_enabled") is True,
            currency=general.get("woocommerce_currency", ""),
            taxes=TaxSettings(
                enabled=enabled,
                prices_include_tax=tax.get("woocommerce_prices_include_tax") == "yes",
                based_on=tax.get("woocommerce_tax_based_on") or "shipping",
                shipping_class=tax.get("woocommerce_shipping_tax_class", ""),
                round_at_subtotal=tax.get("woocommerce_tax_round_at_subtotal") == "yes",
                base_country=general.get("woocommerce_default_country", ""),
                decimals=_decimals(general.get("woocommerce_price_num_decimals", "")),
                rates=tuple(map(_rate, rates)),
            ),
        )

    def _settings(self, group: str, deadline: Deadline) -> dict[str, str]:
        """Those of `SETTINGS`, as texts; others may be anything."""
        rows = self._shop.page(f"settings/{group}", deadline, _fields="id,value").rows
        return {id_: row.text("value", "") for row in rows if (id_ := row.text("id")) in SETTINGS}


def _rate(row: Entry) -> Rate:
    tax_class = row.text("class", "")
    return Rate(
        country=row.text("country", ""),
        state=row.text("state", ""),
        postcodes=tuple(_texts(row, "postcodes", "postcode")),
        cities=tuple(_texts(row, "cities", "city")),
        percent=row.decimal("rate"),
        priority=row.whole("priority", 1) or 1,
        compound=bool(row.get("compound")),
        shipping=bool(row.get("shipping")),
        order=row.whole("order", 0),
        tax_class="" if tax_class == "standard" else tax_class,
    )


def _texts(row: Entry, several: str, one: str) -> list[str]:
    """Newer shops give a list, older ones a text with semicolons."""
    given = row.texts(several) or row.text(one, "").split(";")
    return [text.strip().upper() for text in given if text.strip()]


def numbers_of(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdecimal() and len(part) < 9)


def _decimals(value: str) -> int:
    return int(value) if value.isdecimal() and len(value) == 1 else 2
