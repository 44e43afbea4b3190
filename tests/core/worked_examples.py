"""The worked examples of reference lengow.md §2.9 and §5.1, written out, and ways to change them."""

import copy
import json
from typing import Any

ADDRESS_KEYS = (
    "company",
    "civility",
    "first_name",
    "last_name",
    "full_name",
    "first_line",
    "second_line",
    "complement",
    "zipcode",
    "city",
    "state_region",
    "common_country_iso_a2",
    "full_address",
    "phone_home",
    "phone_office",
    "phone_mobile",
    "email",
    "vat_number",
    "metas",
)

BUYER = {
    "civility": "Mme",
    "first_name": "Test",
    "last_name": "Buyer",
    "first_line": "1 rue de l'Exemple",
    "zipcode": "44000",
    "city": "Nantes",
    "common_country_iso_a2": "FR",
    "phone_mobile": "0600000001",
    "email": "buyer-0001@example.com",
}


def address(kind: str, number: int, **given: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, **dict.fromkeys(ADDRESS_KEYS), **given}


def line(
    position: int, sku: str, title: str, amount: str, tax: str, quantity: int, shipping: str | None
) -> dict[str, Any]:
    return {
        "id": 700000 + position,
        "marketplace_order_line_id": f"M240900012345-{position}",
        "marketplace_product_id": {1: "ME1234567", 2: "ME7654321"}[position],
        "merchant_product_id": {"field": "sku", "id": sku},
        "feed_id": 3131,
        "marketplace_package_id": None,
        "marketplace_status": "PREPARATION",
        "lengow_status": "waiting_shipment",
        "max_shipping_date": "2026-09-04T22:00:00Z",
        "title": title,
        "category": "Tools",
        "url_product": None,
        "url_image": None,
        "order_line_meta": [],
        "amount": amount,
        "tax": tax,
        "discount": None,
        "shipping": shipping,
        "refunded_amount": None,
        "original_amount": amount,
        "original_tax": tax,
        "quantity": quantity,
        "documents": [],
        "created_at": None,
        "updated_at": None,
        "orderline_types": [],
    }


TRACKING = {
    "number": None,
    "method": "relay",
    "carrier": None,
    "url": None,
    "is_delivered_by_marketplace": False,
    "parcel_weight": None,
    "shipped_at": None,
    "relay": {"id": "013579", "name": "Example relay"},
    "marketplace_order_line_ids": ["M240900012345-1", "M240900012345-2"],
}

ORDER: dict[str, Any] = {
    "marketplace": "manomano_fr",
    "account_id": 4242,
    "marketplace_country_iso2": "FR",
    "marketplace_order_id": "M240900012345",
    "merchant_order_id": None,
    "marketplace_status": "PREPARATION",
    "lengow_status": "waiting_shipment",
    "workflow_rank": 4,
    "marketplace_order_date": "2026-09-01T08:15:00Z",
    "marketplace_customer_id": "c-778899",
    "total_order": 131.70,
    "total_tax": "20.30",
    "shipping": 9.90,
    "discount": 0,
    "commission": "18.27",
    "processing_fee": None,
    "currency": {"iso_a3": "EUR", "symbol": "€", "name": "Euro"},
    "original_currency": {"iso_a3": "EUR", "symbol": "€", "name": "Euro"},
    "original_total_order": 131.70,
    "comments": None,
    "invoice_number": None,
    "invoice_url": None,
    "payments": [
        {
            "id": 9001,
            "type": "marketplace",
            "settled_at": "2026-09-01T08:15:02Z",
            "payment_terms": {"external_transaction_id": None, "vat_number": None},
        }
    ],
    "packages": [
        {
            "cart": [
                line(1, "DRILL-18V", "Cordless drill 18 V", "89.90", "14.98", 1, "9.90"),
                line(2, "SCREW-BOX-200", "Box of 200 screws", "31.90", "5.32", 2, None),
            ],
            "delivery": {**address("delivery", 880001, **BUYER, complement="Bat. B"), "trackings": [TRACKING]},
        }
    ],
    "billing_address": address("billing", 880002, **BUYER),
    "contact_address": None,
    "documents": [],
    "imported_at": "2026-09-01T08:30:11.120000Z",
    "updated_at": "2026-09-01T08:45:02.000000Z",
    "order_meta": {"feed_id": 3131, "checksum": "0f0f0f0f"},
    "anonymized": False,
    "order_types": [],
}

FULFILMENT: dict[str, Any] = {
    **ORDER,
    "marketplace_order_id": "M240900099999",
    "marketplace_status": "SHIPPED",
    "lengow_status": "shipped",
    "total_order": "45.00",
    "shipping": 0,
    "order_types": [{"type": "is_delivered_by_marketplace", "label": "Fulfillment"}],
    "billing_address": address("billing", 1, common_country_iso_a2="FR"),
    "packages": [
        {
            "cart": [
                {
                    "marketplace_order_line_id": "M240900099999-1",
                    "quantity": 1,
                    "amount": "45.00",
                    "marketplace_status": "SHIPPED",
                    "merchant_product_id": {"field": "sku", "id": "HAMMER-1"},
                }
            ],
            "delivery": {
                **address("delivery", 2, common_country_iso_a2="FR"),
                "trackings": [
                    {
                        "number": "TRK0001",
                        "carrier": "Other",
                        "method": None,
                        "url": None,
                        "is_delivered_by_marketplace": True,
                        "relay": {"id": None, "name": None},
                        "marketplace_order_line_ids": ["M240900099999-1"],
                    }
                ],
            },
        }
    ],
}

MISSING = object()
"""Given to `changed` to take a key away."""


def changed(order: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values at these paths, such as `packages.0.cart.1.amount`."""
    result = copy.deepcopy(order)
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = result
        for part in parents:
            place = place[part]
        if value is MISSING:
            del place[last]
        else:
            place[last] = value
    return result


def encoded(order: object) -> bytes:
    return json.dumps(order).encode()


def _argument(kind: str = "string", *values: str) -> dict[str, Any]:
    return {
        "type": kind,
        "depends_on": None,
        "valid_values": {value: {"label": LABELS[value]} for value in values},
        "default_value": None,
        "accept_free_values": not values,
    }


LABELS = {
    "COLISSIMO": "Colissimo",
    "CHRONOPOST": "Chronopost",
    "DPD": "DPD",
    "Other": "Other",
    "CUSTOMER_CHANGED_MIND": "Customer changed his mind",
    "DAMAGED": "Product damaged",
    "true": "Yes",
    "false": "No",
}
CARRIERS = ("COLISSIMO", "CHRONOPOST", "DPD", "Other")
LINE = _argument("line_number")

MANOMANO_FR: dict[str, Any] = {
    "name": "ManoMano FR",
    "country": "FRA",
    "country_iso_a2": "FR",
    "features": [],
    "orders": {
        "status": {"waiting_acceptance": ["PENDING"], "waiting_shipment": ["PREPARATION"], "shipped": ["SHIPPED"]},
        "actions": {
            "accept": {
                "status": ["waiting_acceptance"],
                "args": [],
                "optional_args": ["line"],
                "args_description": {"line": LINE},
            },
            "refuse": {
                "status": ["waiting_acceptance"],
                "args": [],
                "optional_args": ["line"],
                "args_description": {"line": LINE},
            },
            "ship": {
                "status": ["waiting_shipment"],
                "args": ["carrier", "tracking_number"],
                "optional_args": ["carrier_name", "tracking_url", "line"],
                "args_description": {
                    "carrier": _argument("list", *CARRIERS),
                    "tracking_number": _argument(),
                    "carrier_name": _argument(),
                    "tracking_url": _argument(),
                    "line": LINE,
                },
            },
            "refund": {
                "status": ["shipped"],
                "args": ["refund_reason", "refund_shipping_fees"],
                "optional_args": ["line", "refund_quantity"],
                "args_description": {
                    "refund_reason": _argument("list", "CUSTOMER_CHANGED_MIND", "DAMAGED"),
                    "refund_shipping_fees": _argument("list", "true", "false"),
                    "line": LINE,
                    "refund_quantity": _argument("quantity"),
                },
            },
        },
        "carriers": {code: {"label": LABELS[code]} for code in CARRIERS},
        "shipping_methods": {},
    },
}
