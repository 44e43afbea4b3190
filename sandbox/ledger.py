"""What the marketplaces sold, and what they were told. Plain data, so that it travels over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SoldLine:
    """`state`: at the marketplace, in Lengow's words. `importable`: Lengow shows it for import now;
    `was_importable`: it once did."""

    id: str
    sku: str
    quantity: int
    amount: Decimal
    state: str
    importable: bool
    was_importable: bool


@dataclass(frozen=True, slots=True)
class SoldOrder:
    """`state` and `marketplace_status` are the marketplace's now; `lengow_status` is what Lengow last collected,
    None before the first time. `converted_total` is in the account's currency, None where no rate is known.
    `expected`: whether it is to be imported now; None where a hostile order left that open. `changed`: it is not
    as it was sold, by an amendment or a cancelled line."""

    account_id: int
    marketplace: str
    order_id: str
    kind: str
    state: str
    marketplace_status: str
    lengow_status: str | None
    ordered_at: datetime
    catalog_id: int
    fulfilment: bool
    anonymized: bool
    currency: str
    total: Decimal
    converted_total: Decimal | None
    shipping_and_fee: Decimal
    lines: tuple[SoldLine, ...]
    packages: tuple[tuple[str, ...], ...]
    merchant_order_ids: tuple[str, ...]
    expected: bool | None
    changed: bool

    @property
    def was_importable(self) -> bool:
        return any(line.was_importable for line in self.lines)


@dataclass(frozen=True, slots=True)
class Told:
    """An action that Lengow took. `outcome`: queued, sent, confirmed or refused (`errors` then says why)."""

    id: int
    account_id: int
    marketplace: str
    order_id: str
    action_type: str
    arguments: Mapping[str, str]
    line_ids: tuple[str, ...]
    received_at: datetime
    decided_at: datetime | None
    outcome: str
    errors: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """An action that Lengow refused at once: the marketplace never heard of it."""

    account_id: int
    received_at: datetime
    arguments: Mapping[str, str]
    answer: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything at one moment. `requests`: how often each route was called, as `"GET /v3.0/orders"`."""

    at: datetime
    sold: tuple[SoldOrder, ...]
    told: tuple[Told, ...]
    rejections: tuple[Rejection, ...]
    requests: Mapping[str, int]
