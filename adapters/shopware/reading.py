"""Orders as the shop shows them: by id, with what was sent beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.shopware.api import Api
from lengow.adapters.shopware.body import LINE_ID, REFERENCE

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
        return {row.text("id") for row in rows}

    def views(self, ids: Sequence[str], associations: Mapping[str, Any], deadline: Deadline) -> dict[str, Entry]:
        """By id. Raises ShopUnavailable and Refusal."""
        rows = self._api.search("order", {"ids": list(ids), "associations": associations}, deadline)
        return {row.text("id"): row for row in rows}


def reference_of(view: Entry) -> str:
    """Our reference, where the order is one of ours; else nothing."""
    return custom(view).text(REFERENCE, "")


def custom(view: Entry) -> Entry:
    return view.entry("customFields")


def state_of(view: Entry) -> str:
    return view.entry("stateMachineState").text("technicalName")


def line_id_of(line: Entry) -> str:
    """Lengow's; nothing of a line that was added in the shop."""
    return line.entry("payload").text(LINE_ID, "")
