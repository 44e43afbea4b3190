"""What `GET /v3.0/marketplaces` tells (reference 5). `manomano_fr` is the worked example of 5.1; the others are inferred:
`fnac_fr` wants one shipment a line, and only carriers of its list; `decathlon_fr` takes parts of a line by quantity, and
a carrier's name only with the carrier Other; `darty_fr` takes only whole orders."""

from collections.abc import Mapping, Sequence
from typing import Any

Description = dict[str, Any]


def _argument(
    kind: str = "string", values: Mapping[str, str] | None = None, *, depends_on: Description | None = None
) -> Description:
    return {
        "type": kind,
        "depends_on": depends_on,
        "valid_values": {code: {"label": label} for code, label in (values or {}).items()},
        "default_value": None,
        "accept_free_values": values is None,
    }


def _action(
    status: Sequence[str], args: Mapping[str, Description], optional_args: Mapping[str, Description]
) -> Description:
    return {
        "status": list(status),
        "args": list(args),
        "optional_args": list(optional_args),
        "args_description": {**args, **optional_args},
    }


def _marketplace(
    name: str, country: tuple[str, str], package: str, status: Description, actions: Description, carriers: Description
) -> Description:
    return {
        "logo": None,
        "name": name,
        "country": country[0],
        "country_iso_a2": country[1],
        "package": package,
        "homepage": None,
        "description": None,
        "legacy_code": None,
        "features": [],
        "orders": {
            "status": status,
            "actions": actions,
            "carriers": {code: {"label": label} for code, label in carriers.items()},
            "shipping_methods": {},
        },
    }


_LINE = {"line": _argument("line_number")}
_MANOMANO_STATUS = {
    "waiting_acceptance": ["PENDING"],
    "waiting_shipment": ["PREPARATION"],
    "shipped": ["SHIPPED"],
    "refunding": ["REFUNDING"],
    "refused": ["REFUSED"],
    "refunded": ["REFUNDED"],
    "canceled": ["CANCELED"],
}


def _manomano(name: str, country: tuple[str, str], carriers: Mapping[str, str]) -> Description:
    reasons = {"CUSTOMER_CHANGED_MIND": "Customer changed his mind", "DAMAGED": "Product damaged"}
    actions = {
        "accept": _action(["waiting_acceptance"], {}, _LINE),
        "refuse": _action(["waiting_acceptance"], {}, _LINE),
        "ship": _action(
            ["waiting_shipment"],
            {"carrier": _argument("list", carriers), "tracking_number": _argument()},
            {"carrier_name": _argument(), "tracking_url": _argument(), **_LINE},
        ),
        "refund": _action(
            ["shipped"],
            {
                "refund_reason": _argument("list", reasons),
                "refund_shipping_fees": _argument("list", {"true": "Yes", "false": "No"}),
            },
            {**_LINE, "refund_quantity": _argument("quantity")},
        ),
    }
    return _marketplace(name, country, "mp_manomano", _MANOMANO_STATUS, actions, dict(carriers))


def _fnac() -> Description:
    carriers = {"20001": "La Poste - Colissimo", "20002": "Chronopost", "20003": "DPD", "20004": "UPS"}
    status = {
        "waiting_acceptance": ["Created"],
        "accepted": ["Accepted"],
        "waiting_shipment": ["ToShip"],
        "shipped": ["Shipped"],
        "closed": ["Received"],
        "canceled": ["Cancelled"],
        "refused": ["Refused"],
        "refunding": ["Refunding"],
        "refunded": ["Refunded"],
    }
    reasons = {"no_stock": "Out of stock", "no_reason": "Other"}
    actions = {
        "accept": _action(["waiting_acceptance"], {}, _LINE),
        "refuse": _action(["waiting_acceptance"], {}, _LINE),
        "ship": _action(
            ["waiting_shipment"],
            {**_LINE, "carrier": _argument("list", carriers), "tracking_number": _argument()},
            {},
        ),
        "cancel": _action(["waiting_shipment"], {"reason": _argument("list", reasons)}, _LINE),
        "refund": _action(["shipped"], {"refund_reason": _argument("list", reasons)}, _LINE),
    }
    return _marketplace("Fnac", ("FRA", "FR"), "mp_fnac", status, actions, carriers)


_MIRAKL_STATUS = {
    "waiting_acceptance": ["WAITING_ACCEPTANCE"],
    "accepted": ["WAITING_DEBIT"],
    "waiting_shipment": ["SHIPPING"],
    "shipped": ["SHIPPED"],
    "closed": ["RECEIVED"],
    "canceled": ["CANCELED"],
    "refused": ["REFUSED"],
    "refunding": ["WAITING_REFUND"],
    "refunded": ["REFUNDED"],
}


def _decathlon() -> Description:
    carriers = {"colissimo": "Colissimo", "chronopost": "Chronopost", "Other": "Other"}
    reasons = {"damaged": "Damaged", "other": "Other"}
    actions = {
        "accept": _action(["waiting_acceptance"], {}, _LINE),
        "refuse": _action(["waiting_acceptance"], {}, _LINE),
        "ship": _action(
            ["waiting_shipment"],
            {"carrier": _argument("list", carriers), "tracking_number": _argument()},
            {
                **_LINE,
                "shipped_quantity": _argument("quantity"),
                "carrier_name": _argument(depends_on={"carrier": ["Other"]}),
                "tracking_url": _argument(),
            },
        ),
        "cancel": _action(["waiting_shipment"], {}, {**_LINE, "cancel_quantity": _argument("quantity")}),
        "refund": _action(
            ["shipped"],
            {"refund_reason": _argument("list", reasons)},
            {**_LINE, "refund_quantity": _argument("quantity")},
        ),
    }
    return _marketplace("Decathlon", ("FRA", "FR"), "mp_decathlon", _MIRAKL_STATUS, actions, carriers)


def _darty() -> Description:
    actions = {
        "accept": _action(["waiting_acceptance"], {}, {}),
        "refuse": _action(["waiting_acceptance"], {}, {}),
        "ship": _action(["waiting_shipment"], {"tracking_number": _argument()}, {"carrier": _argument()}),
        "cancel": _action(["waiting_shipment"], {}, {}),
        "refund": _action(["shipped"], {}, {}),
    }
    return _marketplace("Darty", ("FRA", "FR"), "mp_darty", _MIRAKL_STATUS, actions, {})


def descriptions() -> dict[str, Description]:
    """Keyed by marketplace, as Lengow answers it."""
    french = {"COLISSIMO": "Colissimo", "CHRONOPOST": "Chronopost", "DPD": "DPD", "Other": "Other"}
    spanish = {"CORREOS": "Correos", "SEUR": "SEUR", "DPD": "DPD", "Other": "Other"}
    return {
        "manomano_fr": _manomano("ManoMano FR", ("FRA", "FR"), french),
        "manomano_es": _manomano("ManoMano ES", ("ESP", "ES"), spanish),
        "fnac_fr": _fnac(),
        "decathlon_fr": _decathlon(),
        "darty_fr": _darty(),
    }
