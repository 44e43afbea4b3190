"""A shop's products as they are offered: what an adapter with `Capabilities.catalogue` lists, and feeds are made of."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from lengow.connector.errors import SettingsError

if TYPE_CHECKING:
    from lengow.connector.context import Context


class CatalogueProduct(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be bought: a simple product, or one variant of a product. Texts as the shop has them."""

    id: str
    """The shop's own; of a variant `PRODUCT_VARIANT`, as Lengow's own plugins name it."""
    sku: str
    title: str
    price: Decimal
    """What a buyer pays for one piece now, tax included."""
    currency: str
    """ISO 4217."""
    stock: int | None = None
    """Pieces for sale; None: the shop keeps no stock of it, and sells it all the same."""
    parent_id: str = ""
    """Of a variant, the product that it is of."""
    price_before: Decimal | None = None
    """The price before a reduction, tax included; None where there is none."""
    tax_rate: Decimal | None = None
    """Per cent, in the shop's own country; None where the shop does not tell."""
    ean: str = ""
    """GTIN of any length."""
    brand: str = ""
    description: str = ""
    category: str = ""
    """From the widest to the narrowest, with ` > ` between."""
    url: str = ""
    images: tuple[str, ...] = ()
    """URLs, the main one first."""
    weight: Decimal | None = None
    """Kilograms, as it is sent."""
    shipping_cost: Decimal | None = None
    """Of one piece, tax included."""
    shipping_delay: str = ""
    options: Mapping[str, str] = {}
    """What sets a variant apart, such as its colour."""
    attributes: Mapping[str, str] = {}
    """Whatever else the shop keeps, by the shop's own names."""


@runtime_checkable
class Catalogue(Protocol):
    """What an adapter has besides `Adapter` where its `Capabilities.catalogue` is true."""

    def products(self) -> Iterator[CatalogueProduct]:
        """All products that are for sale, page by page, each once; those that are out of stock too.

        A product with variants is listed as its variants only. Raises ShopUnavailable, also in the middle.
        """


def products_of(context: "Context", shop: str) -> Iterator[CatalogueProduct]:
    """All products that a shop has for sale. Raises SettingsError where its platform cannot list them."""
    adapter = context.adapter(shop)
    if not isinstance(adapter, Catalogue):
        raise SettingsError(
            f"The platform {adapter.platform!r} of the shop {shop!r} lists no products.",
            what_to_do="Give them yourself: `feeds.build(connector, NAME, products=...)`.",
            shop=shop,
        )
    return adapter.products()
