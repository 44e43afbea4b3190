"""The entities that the stand-in knows: their fields, what is required, and how they hang together (§4.2, §4.3, §5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "string", "text", "email", "int", "float", "bool", "date", "json", "list", "custom", "uuid",
    "price", "calculated", "rounding", "state",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    kind: Kind = "string"
    required: bool = False
    most: int = 255
    """Characters of a `string`."""
    to: str = ""
    """Of a `uuid` or `state`: the entity that it names, which must exist."""
    machine: str = ""
    protected: bool = False
    """Computed by Shopware: writing it is refused."""


@dataclass(frozen=True, slots=True)
class Association:
    entity: str
    many: bool
    own: str = "id"
    """The field of this entity ..."""
    their: str = "id"
    """... that equals the other's."""
    nested: bool = False
    """Whether its rows can be written within this entity's."""


@dataclass(frozen=True, slots=True)
class Entity:
    fields: Mapping[str, Field]
    associations: Mapping[str, Association] = field(default_factory=dict)
    inherits: tuple[str, ...] = ()
    """Fields that a variant takes from its parent where its own are null."""


def _to(entity: str, *, required: bool = False) -> Field:
    return Field("uuid", required=required, to=entity)


def _state(machine: str) -> Field:
    return Field("state", required=True, to="state_machine_state", machine=machine)


def _ref(entity: str, own: str) -> Association:
    return Association(entity, many=False, own=own)


def _children(entity: str, their: str) -> Association:
    return Association(entity, many=True, their=their, nested=True)


NEEDED = Field(required=True)
OPTIONAL = Field()
CUSTOM = Field("custom")
STATE = _ref("state_machine_state", "stateId")

ENTITIES: Mapping[str, Entity] = {
    "order": Entity(
        {
            "orderNumber": Field(most=64),
            "salesChannelId": _to("sales_channel", required=True),
            "languageId": _to("language", required=True),
            "currencyId": _to("currency", required=True),
            "currencyFactor": Field("float", required=True),
            "orderDateTime": Field("date", required=True),
            "billingAddressId": Field("uuid", required=True),
            "stateId": _state("order.state"),
            "price": Field("price", required=True),
            "shippingCosts": Field("calculated", required=True),
            "itemRounding": Field("rounding", required=True),
            "totalRounding": Field("rounding", required=True),
            "deepLinkCode": Field(most=32),
            "customerComment": Field("text"),
            "affiliateCode": OPTIONAL,
            "campaignCode": OPTIONAL,
            "source": OPTIONAL,
            "customFields": CUSTOM,
            **{
                name: Field("float", protected=True)
                for name in ("amountTotal", "amountNet", "positionPrice", "shippingTotal", "taxStatus", "orderDate")
            },
        },
        {
            "orderCustomer": Association("order_customer", many=False, their="orderId", nested=True),
            "addresses": _children("order_address", "orderId"),
            "lineItems": _children("order_line_item", "orderId"),
            "deliveries": _children("order_delivery", "orderId"),
            "transactions": _children("order_transaction", "orderId"),
            "stateMachineState": STATE,
            "currency": _ref("currency", "currencyId"),
        },
    ),
    "order_customer": Entity(
        {
            "orderId": _to("order", required=True),
            "email": Field("email", required=True),
            "firstName": NEEDED,
            "lastName": NEEDED,
            "salutationId": _to("salutation"),
            "company": OPTIONAL,
        }
    ),
    "order_address": Entity(
        {
            "orderId": _to("order", required=True),
            "countryId": _to("country", required=True),
            "countryStateId": _to("country_state"),
            "salutationId": _to("salutation"),
            "firstName": Field(required=True, most=50),
            "lastName": Field(required=True, most=60),
            "street": NEEDED,
            "city": NEEDED,
            **dict.fromkeys(
                ("zipcode", "company", "phoneNumber", "vatId", "additionalAddressLine1", "additionalAddressLine2"),
                OPTIONAL,
            ),
        },
        {"country": _ref("country", "countryId")},
    ),
    "order_line_item": Entity(
        {
            "orderId": _to("order", required=True),
            "identifier": NEEDED,
            "productId": _to("product"),
            "referencedId": OPTIONAL,
            "type": OPTIONAL,
            "label": NEEDED,
            "quantity": Field("int", required=True),
            "position": Field("int", required=True),
            "states": Field("list", required=True),
            "price": Field("calculated", required=True),
            "priceDefinition": Field("json"),
            "payload": Field("json"),
            "good": Field("bool"),
            "removable": Field("bool"),
            "stackable": Field("bool"),
            "customFields": CUSTOM,
        }
    ),
    "order_delivery": Entity(
        {
            "orderId": _to("order", required=True),
            "shippingOrderAddressId": _to("order_address", required=True),
            "shippingMethodId": _to("shipping_method", required=True),
            "stateId": _state("order_delivery.state"),
            "shippingDateEarliest": Field("date", required=True),
            "shippingDateLatest": Field("date", required=True),
            "trackingCodes": Field("list", required=True),
            "shippingCosts": Field("calculated"),
            "customFields": CUSTOM,
        },
        {
            "positions": _children("order_delivery_position", "orderDeliveryId"),
            "order": _ref("order", "orderId"),
            "shippingMethod": _ref("shipping_method", "shippingMethodId"),
            "shippingOrderAddress": _ref("order_address", "shippingOrderAddressId"),
            "stateMachineState": STATE,
        },
    ),
    "order_delivery_position": Entity(
        {
            "orderDeliveryId": _to("order_delivery", required=True),
            "orderLineItemId": _to("order_line_item", required=True),
            "price": Field("calculated"),
        }
    ),
    "order_transaction": Entity(
        {
            "orderId": _to("order", required=True),
            "paymentMethodId": _to("payment_method", required=True),
            "stateId": _state("order_transaction.state"),
            "amount": Field("calculated", required=True),
            "customFields": CUSTOM,
        },
        {
            "order": _ref("order", "orderId"),
            "stateMachineState": STATE,
            "paymentMethod": _ref("payment_method", "paymentMethodId"),
        },
    ),
    "product": Entity(
        {
            "productNumber": Field(required=True, most=64),
            "stock": Field("int", required=True),
            "taxId": _to("tax"),
            "name": OPTIONAL,
            "ean": OPTIONAL,
            "manufacturerNumber": OPTIONAL,
            "active": Field("bool"),
            "parentId": _to("product"),
            "availableStock": Field("int", protected=True),
            "childCount": Field("int", protected=True),
            "description": Field("text"),
            "price": Field("json"),
            "weight": Field("float"),
            "manufacturerId": _to("product_manufacturer"),
            "coverId": _to("product_media"),
            "customFields": CUSTOM,
        },
        {
            "tax": _ref("tax", "taxId"),
            "manufacturer": _ref("product_manufacturer", "manufacturerId"),
            "cover": _ref("product_media", "coverId"),
            "media": Association("product_media", many=True, their="productId"),
            "options": Association("property_group_option", many=True, their="_optionOf"),
            "properties": Association("property_group_option", many=True, their="_propertyOf"),
        },
        inherits=(
            *("taxId", "name", "ean", "manufacturerNumber", "description", "price", "weight", "manufacturerId"),
            *("coverId", "customFields", "media", "properties"),
        ),
    ),
    "product_manufacturer": Entity({"name": NEEDED}),
    "product_media": Entity(
        {"productId": _to("product", required=True), "mediaId": _to("media"), "position": Field("int")},
        {"media": _ref("media", "mediaId")},
    ),
    "media": Entity({"url": OPTIONAL}),
    "document_type": Entity({"name": OPTIONAL, "technicalName": OPTIONAL}),
    "document": Entity(
        {
            "orderId": _to("order", required=True),
            "documentTypeId": _to("document_type", required=True),
            "documentNumber": OPTIONAL,
            "referencedDocumentId": _to("document"),
            "deepLinkCode": OPTIONAL,
            "config": Field("json"),
            "sent": Field("bool"),
        },
        {"documentType": _ref("document_type", "documentTypeId")},
    ),
    "property_group": Entity({"name": NEEDED}),
    "property_group_option": Entity(
        {"name": NEEDED, "groupId": _to("property_group", required=True)}, {"group": _ref("property_group", "groupId")}
    ),
    "tax": Entity(
        {"taxRate": Field("float", required=True), "name": NEEDED, "position": Field("int")},
        {"rules": _children("tax_rule", "taxId")},
    ),
    "tax_rule": Entity(
        {
            "taxId": _to("tax", required=True),
            "countryId": _to("country", required=True),
            "taxRuleTypeId": _to("tax_rule_type", required=True),
            "taxRate": Field("float", required=True),
            "data": Field("json"),
            "activeFrom": Field("date"),
        },
        {"type": _ref("tax_rule_type", "taxRuleTypeId")},
    ),
    "tax_rule_type": Entity({"technicalName": NEEDED, "position": Field("int")}),
    "currency": Entity(
        {
            "isoCode": NEEDED,
            "factor": Field("float", required=True),
            "itemRounding": Field("rounding"),
            "totalRounding": Field("rounding"),
        }
    ),
    "country": Entity(
        {"iso": OPTIONAL, "active": Field("bool")},
        {"states": Association("country_state", many=True, their="countryId", nested=True)},
    ),
    "country_state": Entity({"countryId": _to("country", required=True), "shortCode": NEEDED, "name": OPTIONAL}),
    "salutation": Entity({"salutationKey": NEEDED}),
    "language": Entity({"name": NEEDED}),
    "payment_method": Entity({"name": NEEDED, "technicalName": OPTIONAL, "active": Field("bool")}),
    "shipping_method": Entity(
        {"name": NEEDED, "technicalName": OPTIONAL, "trackingUrl": OPTIONAL, "active": Field("bool")}
    ),
    "sales_channel": Entity(
        {
            "name": NEEDED,
            "active": Field("bool"),
            "languageId": _to("language", required=True),
            "currencyId": _to("currency", required=True),
            "paymentMethodId": _to("payment_method", required=True),
            "shippingMethodId": _to("shipping_method", required=True),
        }
    ),
    "state_machine": Entity({"technicalName": NEEDED}),
    "state_machine_state": Entity(
        {"technicalName": NEEDED, "name": OPTIONAL, "stateMachineId": _to("state_machine", required=True)},
        {"stateMachine": _ref("state_machine", "stateMachineId")},
    ),
    "webhook": Entity(
        {
            "name": NEEDED,
            "eventName": Field(required=True, most=500),
            "url": Field(required=True, most=500),
            "active": Field("bool"),
            "appId": Field("uuid"),
            "errorCount": Field("int", protected=True),
        }
    ),
}

MADE_BY_SHOP = ("id", "versionId", "createdAt", "updatedAt")

CALCULATED = ("unitPrice", "totalPrice", "quantity", "calculatedTaxes", "taxRules")
CALCULATED_ALSO = ("referencePrice", "listPrice", "regulationPrice", "apiAlias", "extensions")
CART = ("netPrice", "totalPrice", "positionPrice", "rawTotal", "taxStatus", "calculatedTaxes", "taxRules")
CART_ALSO = ("apiAlias", "extensions")
ROUNDING = ("decimals", "interval", "roundForNet")
ROUNDING_ALSO = ("apiAlias", "extensions")
"""Keys within the JSON fields: all of the first are needed, none but these are taken."""
