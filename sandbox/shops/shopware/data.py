"""What the shop holds: one table an entity, rows by id, and the rows that a fresh installation brings."""

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from lengow.sandbox.shops.shopware.schema import ENTITIES
from lengow.sandbox.shops.shopware.states import MACHINES, places

Row = dict[str, Any]

COUNTRIES = ("FR", "DE", "IT", "ES", "BE", "AT", "GB", "US")
STATES = {"DE-BE": "Berlin", "DE-BY": "Bavaria", "US-CA": "California", "FR-75": "Paris"}
SALUTATIONS = ("mr", "mrs", "not_specified")
RULE_TYPES = ("zip_code", "zip_code_range", "individual_states", "entire_country")
"""In the order in which they count."""
ROUNDING = {"decimals": 2, "interval": 0.01, "roundForNet": True}


def new_id() -> str:
    return secrets.token_hex(16)


def written(instant: datetime) -> str:
    """As Shopware writes dates: UTC, with milliseconds."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}+00:00"


class Data:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in ENTITIES}
        self._install()

    def insert(self, entity: str, row: Row) -> str:
        """Without any check; returns the id."""
        id_ = str(row.get("id") or new_id())
        empty = dict.fromkeys(ENTITIES[entity].fields)
        self.tables[entity][id_] = {**empty, **row, "id": id_, "createdAt": written(self.now()), "updatedAt": None}
        return id_

    def rows(self, entity: str, **wanted: object) -> Iterator[Row]:
        for row in list(self.tables[entity].values()):
            if all(row.get(name) == value for name, value in wanted.items()):
                yield row

    def one(self, entity: str, **wanted: object) -> Row:
        return next(self.rows(entity, **wanted))

    def state(self, machine: str, name: str) -> str:
        """The id of a state by its technical name."""
        machine_id = self.one("state_machine", technicalName=machine)["id"]
        return str(self.one("state_machine_state", stateMachineId=machine_id, technicalName=name)["id"])

    def place(self, row: Row) -> str:
        """The technical name of the state that a row is in."""
        return str(self.tables["state_machine_state"][row["stateId"]]["technicalName"])

    def alter_stock(self, product_id: str | None, by: int) -> None:
        product = self.tables["product"].get(str(product_id))
        if product is not None:
            product["stock"] += by
            product["availableStock"] = product["stock"]

    def _install(self) -> None:
        for machine in MACHINES:
            machine_id = self.insert("state_machine", {"technicalName": machine})
            for place in places(machine):
                row = {"technicalName": place, "name": place.replace("_", " "), "stateMachineId": machine_id}
                self.insert("state_machine_state", row)
        for iso in COUNTRIES:
            self.insert("country", {"iso": iso, "active": True})
        for code, name in STATES.items():
            country = self.one("country", iso=code[:2])["id"]
            self.insert("country_state", {"countryId": country, "shortCode": code, "name": name})
        for key in SALUTATIONS:
            self.insert("salutation", {"salutationKey": key})
        for position, name in enumerate(RULE_TYPES):
            self.insert("tax_rule_type", {"technicalName": name, "position": position})
        self.insert("tax", {"taxRate": 20, "name": "Standard rate", "position": 1})
        self.insert("tax", {"taxRate": 5.5, "name": "Reduced rate", "position": 2})
        both = {"itemRounding": ROUNDING, "totalRounding": ROUNDING}
        self.insert("currency", {"isoCode": "EUR", "factor": 1, **both})
        self.insert("currency", {"isoCode": "GBP", "factor": 0.86, **both})
        language = self.insert("language", {"name": "Français"})
        payment = self.insert(
            "payment_method", {"name": "Marketplace", "technicalName": "payment_marketplace", "active": False}
        )
        method: Row = {"name": "Marketplace delivery", "technicalName": "shipping_marketplace", "active": False}
        shipping = self.insert("shipping_method", method)
        self.insert(
            "sales_channel",
            {
                "name": "Marketplace",
                "active": True,
                "languageId": language,
                "currencyId": self.one("currency", isoCode="EUR")["id"],
                "paymentMethodId": payment,
                "shippingMethodId": shipping,
            },
        )
