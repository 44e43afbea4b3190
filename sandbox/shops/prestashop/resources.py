"""The webservice's resources and their fields, as `?schema=synopsis` was recorded (captures 027 to 034) or lists showed.

A field is written `name[!] [format] [size] [flags]`: `!` required, `ro` read only, `nofilter` not filterable.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    format: str = ""
    size: int = 0
    required: bool = False
    read_only: bool = False
    filterable: bool = True


@dataclass(frozen=True, slots=True)
class Resource:
    name: str
    node: str
    model: str
    """PrestaShop's class, as its refusals name it."""
    fields: tuple[Field, ...]
    writable: bool
    association: str = ""
    """The name of the list of rows that an object carries, such as `cart_rows`."""
    row: str = ""
    row_fields: tuple[str, ...] = ()

    @property
    def list_node(self) -> str:
        return f"{self.node}s" if self.name == "order_slip" else self.name

    @property
    def names(self) -> tuple[str, ...]:
        return ("id", *(field.name for field in self.fields))

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)


CUSTOMERS = """
id_default_group
id_lang isUnsignedId
newsletter_date_add
ip_registration_newsletter
last_passwd_gen ro
secure_key isMd5 ro
deleted isBool
passwd! isHashedPassword 255
lastname! isCustomerName 255
firstname! isCustomerName 255
email! isEmail 255
id_gender isUnsignedId
birthday isBirthDate
newsletter isBool
optin isBool
website isUrl
company isGenericName
siret isGenericName
ape isApe
outstanding_allow_amount isFloat
show_public_prices isBool
id_risk isUnsignedInt
max_payment_days isUnsignedInt
active isBool
note 65000
is_guest isBool
id_shop isUnsignedId
id_shop_group isUnsignedId
date_add isDate
date_upd isDate
reset_password_token isSha1 40
reset_password_validity isDateOrNull
"""
ADDRESSES = """
id_customer isNullOrUnsignedId
id_manufacturer isNullOrUnsignedId
id_supplier isNullOrUnsignedId
id_warehouse isNullOrUnsignedId
id_country! isUnsignedId
id_state isNullOrUnsignedId
alias! isGenericName 32
company isGenericName 255
lastname! isName 255
firstname! isName 255
vat_number isGenericName
address1! isAddress 128
address2 isAddress 128
postcode isPostCode 12
city! isCityName 64
other isMessage 300
phone isPhoneNumber 32
phone_mobile isPhoneNumber 32
dni isDniLite 16
deleted isBool
date_add isDate
date_upd isDate
"""
CARTS = """
id_address_delivery isUnsignedId
id_address_invoice isUnsignedId
id_currency! isUnsignedId
id_customer isUnsignedId
id_guest isUnsignedId
id_lang! isUnsignedId
id_shop_group isUnsignedId
id_shop isUnsignedId
id_carrier isUnsignedId
recyclable isBool
gift isBool
gift_message isMessage
mobile_theme isBool
delivery_option
secure_key 32
allow_seperated_package isBool
date_add isDate
date_upd isDate
"""
ORDERS = """
id_address_delivery! isUnsignedId
id_address_invoice! isUnsignedId
id_cart! isUnsignedId
id_currency! isUnsignedId
id_lang! isUnsignedId
id_customer! isUnsignedId
id_carrier! isUnsignedId
current_state isUnsignedId
module! isModuleName
invoice_number
invoice_date
delivery_number
delivery_date
valid
date_add isDate
date_upd isDate
shipping_number nofilter
note
id_shop_group isUnsignedId
id_shop isUnsignedId
secure_key isMd5
payment! isGenericName
recyclable isBool
gift isBool
gift_message isMessage
mobile_theme isBool
total_discounts isPrice
total_discounts_tax_incl isPrice
total_discounts_tax_excl isPrice
total_paid! isPrice
total_paid_tax_incl isPrice
total_paid_tax_excl isPrice
total_paid_real! isPrice
total_products! isPrice
total_products_wt! isPrice
total_shipping isPrice
total_shipping_tax_incl isPrice
total_shipping_tax_excl isPrice
carrier_tax_rate isFloat
total_wrapping isPrice
total_wrapping_tax_incl isPrice
total_wrapping_tax_excl isPrice
round_mode isUnsignedId
round_type isUnsignedId
conversion_rate! isFloat
reference
"""
PRODUCTS = """
id_manufacturer
id_default_image nofilter
id_tax_rules_group
manufacturer_name nofilter
reference
weight
ean13
isbn
upc
mpn
price
active
available_for_order
name
description
description_short
"""
SPECIFIC_PRICES = """
id_shop_group isUnsignedId
id_shop! isUnsignedId
id_cart! isUnsignedId
id_product! isUnsignedId
id_product_attribute isUnsignedId
id_currency! isUnsignedId
id_country! isUnsignedId
id_group! isUnsignedId
id_customer! isUnsignedId
id_specific_price_rule isUnsignedId
price! isNegativePrice
from_quantity! isUnsignedInt
reduction! isPrice
reduction_tax! isBool
reduction_type! isReductionType
from! isDateFormat
to! isDateFormat
"""
ORDER_HISTORIES = """
id_employee isUnsignedId
id_order_state! isUnsignedId
id_order! isUnsignedId
date_add isDate
"""
ORDER_CARRIERS = """
id_order! isUnsignedId
id_carrier! isUnsignedId
id_order_invoice isUnsignedId
weight isFloat
shipping_cost_tax_excl isFloat
shipping_cost_tax_incl isFloat
tracking_number isTrackingNumber
date_add isDate
"""
ORDER_SLIP = """
id_customer! isUnsignedId
id_order! isUnsignedId
conversion_rate! isFloat
total_products_tax_excl! isFloat
total_products_tax_incl! isFloat
total_shipping_tax_excl! isFloat
total_shipping_tax_incl! isFloat
amount isFloat
shipping_cost
shipping_cost_amount isFloat
partial
date_add isDate
date_upd isDate
order_slip_type isInt
"""
ORDER_DETAILS = """
id_order!
product_id
product_attribute_id
id_order_invoice
product_name
product_quantity
product_price
product_ean13
product_reference
id_tax_rules_group
unit_price_tax_incl
unit_price_tax_excl
total_price_tax_incl
total_price_tax_excl
"""
ORDER_PAYMENTS = """
order_reference isAnything 9
id_currency! isUnsignedId
amount! isNegativePrice
payment_method isGenericName
conversion_rate isFloat
transaction_id isAnything 254
date_add isDate
"""
MESSAGES = """
id_cart isUnsignedId
id_order isUnsignedId
id_customer isUnsignedId
id_employee isUnsignedId
message! isAnything 1600
private isBool
date_add isDate
"""
STOCK_AVAILABLES = """
id_product! isUnsignedId
id_product_attribute! isUnsignedId
id_shop isUnsignedId
id_shop_group isUnsignedId
quantity! isInt
depends_on_stock! isBool
out_of_stock! isInt
location
"""
ORDER_ROW = (
    "product_id",
    "product_attribute_id",
    "product_quantity",
    "product_name",
    "product_reference",
    "product_ean13",
    "product_isbn",
    "product_upc",
    "product_price",
    "id_customization",
    "unit_price_tax_incl",
    "unit_price_tax_excl",
)
CART_ROW = ("id_product", "id_product_attribute", "id_address_delivery", "id_customization", "quantity")
SLIP_ROW = ("id_order_detail", "product_quantity", "amount_tax_excl", "amount_tax_incl")


def _fields(text: str) -> tuple[Field, ...]:
    fields = []
    for line in text.strip().splitlines():
        name, *words = line.split()
        fields.append(
            Field(
                name=name.rstrip("!"),
                format=next((word for word in words if word.startswith("is")), ""),
                size=next((int(word) for word in words if word.isdigit()), 0),
                required=name.endswith("!"),
                read_only="ro" in words,
                filterable="nofilter" not in words,
            )
        )
    return tuple(fields)


def _plain(names: str) -> tuple[Field, ...]:
    return tuple(Field(name) for name in names.split())


RESOURCES = {
    one.name: one
    for one in (
        Resource("addresses", "address", "Address", _fields(ADDRESSES), True),
        Resource(
            "carriers",
            "carrier",
            "Carrier",
            _plain("deleted is_module id_tax_rules_group id_reference name active is_free url shipping_handling"),
            False,
        ),
        Resource("carts", "cart", "Cart", _fields(CARTS), True, "cart_rows", "cart_row", CART_ROW),
        Resource(
            "combinations",
            "combination",
            "Combination",
            _plain("id_product ean13 isbn upc mpn reference price weight"),
            False,
        ),
        Resource("configurations", "configuration", "Configuration", _plain("value name"), False),
        Resource(
            "countries",
            "country",
            "Country",
            _plain("id_zone iso_code active contains_states need_identification_number zip_code_format"),
            False,
        ),
        Resource("currencies", "currency", "Currency", _plain("iso_code precision conversion_rate active"), False),
        Resource("customers", "customer", "Customer", _fields(CUSTOMERS), True, "groups", "group", ()),
        Resource("languages", "language", "Language", _plain("iso_code active"), False),
        Resource("messages", "message", "Message", _fields(MESSAGES), True),
        Resource("order_carriers", "order_carrier", "OrderCarrier", _fields(ORDER_CARRIERS), True),
        Resource("order_details", "order_detail", "OrderDetail", _fields(ORDER_DETAILS), True),
        Resource("order_histories", "order_history", "OrderHistory", _fields(ORDER_HISTORIES), True),
        Resource("order_payments", "order_payment", "OrderPayment", _fields(ORDER_PAYMENTS), True),
        Resource(
            "order_slip",
            "order_slip",
            "OrderSlip",
            _fields(ORDER_SLIP),
            True,
            "order_slip_details",
            "order_slip_detail",
            SLIP_ROW,
        ),
        Resource(
            "order_states",
            "order_state",
            "OrderState",
            _plain("delivery hidden send_email module_name invoice logable shipped paid deleted name"),
            False,
        ),
        Resource("orders", "order", "Order", _fields(ORDERS), True, "order_rows", "order_row", ORDER_ROW),
        Resource(
            "products",
            "product",
            "Product",
            _fields(PRODUCTS),
            False,
        ),
        Resource(
            "product_feature_values",
            "product_feature_value",
            "FeatureValue",
            _plain("id_feature custom value"),
            False,
        ),
        Resource("product_features", "product_feature", "Feature", _plain("position name"), False),
        Resource(
            "product_option_values",
            "product_option_value",
            "ProductAttribute",
            _plain("id_attribute_group color position name"),
            False,
        ),
        Resource("product_options", "product_option", "AttributeGroup", _plain("is_color_group position name"), False),
        Resource("specific_prices", "specific_price", "SpecificPrice", _fields(SPECIFIC_PRICES), True),
        Resource("states", "state", "State", _plain("id_zone id_country iso_code name active"), False),
        Resource("stock_availables", "stock_available", "StockAvailable", _fields(STOCK_AVAILABLES), True),
        Resource(
            "tax_rules",
            "tax_rule",
            "TaxRule",
            _plain("id_tax_rules_group id_state id_country zipcode_from zipcode_to id_tax behavior description"),
            False,
        ),
        Resource("taxes", "tax", "Tax", _plain("rate active"), False),
    )
}

TRANSLATED = {
    "products": ("name", "description", "description_short"),
    "product_feature_values": ("value",),
    "product_features": ("name",),
    "product_option_values": ("name",),
    "product_options": ("name",),
}
"""Fields that are lists of languages unless one is asked for by `language` (capture 229)."""

WITHOUT_POST = frozenset({"stock_availables"})
"""405 code 101 (capture 175)."""
DATES = frozenset({"date_add", "date_upd"})
"""No filters without `date=1` (capture 115)."""
