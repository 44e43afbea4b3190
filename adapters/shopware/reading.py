"""Orders as the shop shows them: by id, with what was sent beside them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lengow.adapters.calls import Deadline
from lengow.adapters.shopware.api import Api, Row
from lengow.adapters.shopware.body import REFERENCE
from lengow.connector.decode import clean

SHIPMENT: Mapping[str, Any] = {
    "lineItems": {},
    "deliveries": {"associations": {"shippingMethod": {}, "stateMachineState": {}, "positions": {}}},
}
"""What shipments are read from. States are loaded only where they are named (§4.1)."""
WRITTEN: Mapping[str, Any] = {
    "lineItems": {},
    "addresses": {},
    "deliveries": {},
}
"""What is compared with what was sent."""
WHOLE: Mapping[str, Any] = {
    **SHIPMENT,
    "stateMachineState": {},
    "addresses": {},
    "transactions": {"associations": {"stateMachineState": {}}},
}


class Orders:
    def __init__(self, api: Api) -> None:
        self._api = api

    def held(self, ids: Sequence[str], deadline: Deadline) -> set[str]:
        """Which of these ids are orders of the shop. Raises ShopUnavailable and Refusal."""
        if not ids:
            return set()
        rows = self._api.search("order", {"ids": list(ids), "includes": {"order": ["id"]}}, deadline)
        return {str(row["id"]) for row in rows}

    def views(self, ids: Sequence[str], associations: Mapping[str, Any], deadline: Deadline) -> dict[str, Row]:
        """By id. Raises ShopUnavailable and Refusal."""
        rows = self._api.search("order", {"ids": list(ids), "associations": associations}, deadline)
        return {str(row["id"]): row for row in rows}


def reference_of(view: Mapping[str, Any]) -> str:
    """Our reference, where the order is one of ours; else nothing."""
    return text(custom(view).get(REFERENCE))


def custom(view: Mapping[str, Any]) -> Mapping[str, Any]:
    """PHP writes an empty object as an empty list."""
    fields = view.get("customFields")
    return fields if isinstance(fields, dict) else {}


def state_of(view: Mapping[str, Any]) -> str:
    state = view.get("stateMachineState")
    return text(state.get("technicalName")) if isinstance(state, dict) else ""


def rows(value: Any) -> list[Row]:
    found: Iterable[Any] = value if isinstance(value, list) else ()
    return [row for row in found if isinstance(row, dict)]


def text(value: Any) -> str:
    return clean(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
