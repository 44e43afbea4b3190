"""What an offer has in a feed: names, kinds, what is mandatory. The one place for facts of Lengow and ManoMano.

| fact | source |
| --- | --- |
| a feed a programme, of the same structure, because the API ids differ | issue 9; reference lengow.md §2.8 |
| names of the fulfilment attributes | issue 9 |
| file shapes, image columns, header names | reference lengow.md §9.2, §9.3 |
| what `icpe`, `onu` and `security_file_number` may hold, units, words for true and false | inferred: settings change each |
"""

from typing import Literal

import msgspec

Programme = Literal["standard", "fulfilment"]
Kind = Literal[
    "identifier",
    "text",
    "code",
    "currency",
    "ean",
    "price",
    "money",
    "number",
    "integer",
    "boolean",
    "weight",
    "url",
    "un_number",
]

BOTH: frozenset[Programme] = frozenset({"standard", "fulfilment"})
FULFILMENT: frozenset[Programme] = frozenset({"fulfilment"})
NEITHER: frozenset[Programme] = frozenset()

MOST_IMAGES = 10
"""§9.3: `image_url_1` to `image_url_10`."""


class Attribute(msgspec.Struct, frozen=True):
    """One column. `source` is where it comes from unless the settings say so: see `sources`."""

    name: str
    kind: Kind
    source: str
    mandatory: frozenset[Programme]
    meaning: str


OFFER = (
    Attribute("sku", "identifier", "{sku}", BOTH, "the merchant's reference; unique"),
    Attribute("id", "identifier", "{id}", NEITHER, "the shop's own id, of a variant `PRODUCT_VARIANT`"),
    Attribute("parent_id", "identifier", "{parent_id}", NEITHER, "of a variant, the product that it is of"),
    Attribute("ean", "ean", "{ean}", BOTH, "GTIN of 8, 12, 13 or 14 digits with a right check digit"),
    Attribute("title", "text", "{title}", BOTH, "without markup"),
    Attribute("description", "text", "{description}", NEITHER, "without markup"),
    Attribute("brand", "text", "{brand}", BOTH, "brand or manufacturer"),
    Attribute("category", "text", "{category}", NEITHER, "the shop's, from wide to narrow"),
    Attribute("price", "price", "{price}", BOTH, "tax included; more than 0, two decimals"),
    Attribute("price_before", "money", "{price_before}", NEITHER, "before a reduction, tax included"),
    Attribute("currency", "currency", "{currency}", BOTH, "ISO 4217"),
    Attribute("tax_rate", "number", "{tax_rate}", NEITHER, "per cent"),
    Attribute("stock", "integer", "{stock}", BOTH, "pieces; 0 or more"),
    Attribute("weight", "weight", "{weight}", NEITHER, "as it is sent, in `weight_unit`"),
    Attribute("shipping_cost", "money", "{shipping_cost}", NEITHER, "of one piece, tax included"),
    Attribute("shipping_delay", "text", "{shipping_delay}", NEITHER, "such as `2-3 days`"),
    Attribute("url", "url", "{url}", NEITHER, "of the product's page"),
)

IMAGES = tuple(
    Attribute(
        f"image_url_{place}",
        "url",
        f"{{images.{place}}}",
        BOTH if place == 1 else NEITHER,
        "the main image" if place == 1 else "a further image",
    )
    for place in range(1, MOST_IMAGES + 1)
)

FULFILMENT_ATTRIBUTES = (
    Attribute("weight_net", "weight", "{attributes.weight_net}", FULFILMENT, "without packaging, in `weight_unit`"),
    Attribute("icpe", "code", "{attributes.icpe}", FULFILMENT, "number of the French register of classified sites"),
    Attribute("onu", "un_number", "{attributes.onu}", FULFILMENT, "UN number of dangerous goods, or a word for none"),
    Attribute(
        "security_file_number",
        "code",
        "{attributes.security_file_number}",
        FULFILMENT,
        "number of the safety data sheet",
    ),
    Attribute("has_batch_number", "boolean", "{attributes.has_batch_number}", FULFILMENT, "sold by batch"),
    Attribute("has_serial_number", "boolean", "{attributes.has_serial_number}", FULFILMENT, "each piece is numbered"),
    Attribute("has_dluo", "boolean", "{attributes.has_dluo}", FULFILMENT, "has a best-before date"),
    Attribute("is_fragile", "boolean", "{attributes.is_fragile}", FULFILMENT, "breaks easily"),
    Attribute("is_overpackaged", "boolean", "{attributes.is_overpackaged}", FULFILMENT, "is sent in a further box"),
)

TRUE_WORDS = frozenset({"true", "yes", "y", "1", "oui", "vrai", "si", "sí", "sì", "ja"})
FALSE_WORDS = frozenset({"false", "no", "n", "0", "non", "faux", "nein"})
"""What a shop may write; compared without case."""

NO_UN_NUMBER = frozenset({"0", "none", "no", "non", "na", "n/a", "-"})
"""Words for goods that are not dangerous (inferred)."""

MOST_DIGITS = 40
"""Of a number that is written out, before and after the point: `1E+999999999` would fill the memory."""

LONGEST_HEADER = 58
"""Characters of a column's name (§9.2)."""

FLAWS = {
    "missing": "there is no value",
    "number_invalid": "is not a number",
    "price_invalid": "is not more than 0",
    "negative": "is less than 0",
    "stock_invalid": "is not a whole number",
    "ean_length": "does not have 8, 12, 13 or 14 digits",
    "ean_check_digit": "has a wrong check digit: a digit is mistyped",
    "url_invalid": "is not a web address that begins with http:// or https://",
    "boolean_invalid": "is neither true nor false",
    "weight_invalid": "is not a weight such as 1.5, 1.5 kg or 1500 g",
    "onu_invalid": "is neither a UN number of four digits nor a word for none",
    "unwritable": "has characters that cannot be written, and a reference may not be changed",
    "formula": "begins as a spreadsheet formula does, and a reference may not be changed",
    "not_accepted": "is none of the accepted values",
    "currency_invalid": "is not a currency of ISO 4217",
    "sku_twice": "another offer of this account and marketplace has it already",
}
"""What may be wrong with a value: its code, and the sentence that follows the value."""
