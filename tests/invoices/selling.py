"""A seller, and the settings that have it invoice."""

from typing import Any

SELLER = {
    "name": "Outillage Martin",
    "address": ["1 rue du Port"],
    "zipcode": "33000",
    "city": "Bordeaux",
    "siren": "732829320",
    "vat_number": "FR44732829320",
    "legal_form": "SARL",
    "capital": "10 000 €",
    "register": "RCS Bordeaux 732 829 320",
    "email": "contact@martin.example",
}


def invoicing(seller: dict[str, Any] | None = None, shop: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The table `[invoices]` for a shop b2c that invoices at shipment."""
    return {
        "invoices": {
            "seller": SELLER | (seller or {}),
            "shops": {"b2c": {"send": "on_shipment", **(shop or {})}},
            **more,
        }
    }
