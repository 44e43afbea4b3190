"""A shop's carrier is mapped while the connector runs."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lengow.connector.adapter import Event
from lengow.connector.errors import ActionInvalid, CannotMend
from lengow.connector.model import EventState, StepKind, Tracking
from lengow.connector.store.rows import EventRow, NewStep


@pytest.fixture
def merchant(make_merchant: Callable[..., Any]) -> Any:
    """Who holds shipments with carriers that nobody mapped, and maps one in the settings."""
    return make_merchant(unmapped_carriers="hold", carriers={"manomano_fr": {"colis": "COLISSIMO", "geo": "Other"}})


def ships(merchant: Any, code: str, name: str = "") -> int:
    """The shop tells of a parcel; the order's id."""
    [number] = merchant.sells(1)
    merchant.sync()
    package = merchant.order(number).packages[0]
    tracking = Tracking(code, name, "7", "https://t.example/7")
    event = Event(number, "shipment", shop_order_id=package.shop_order_id, tracking=tracking)
    now = merchant.connector.now()
    row = EventRow(0, "b2c", number, number, "shipment", msgspec.to_builtins(event), EventState.RECEIVED, "", "", now)
    with merchant.connector.store.transaction() as tx:
        [event_id] = tx.add_events([row])
        tx.add_steps([NewStep(StepKind.EVENT, str(event_id), now, shop="b2c")])
    merchant.sync()
    return int(package.order_id)


def told(merchant: Any, order_id: int) -> list[str]:
    return [row.arguments["carrier"] for row in merchant.connector.store.actions_of(order_id)]


def test_what_waited_for_the_mapping_is_told_and_what_comes_later_too(merchant: Any) -> None:
    waiting, other = ships(merchant, "xpress"), ships(merchant, "unknown")
    assert told(merchant, waiting) == told(merchant, other) == []
    [again] = merchant.connector.map_carrier("b2c", "manomano_fr", "xpress", "CHRONOPOST", who="anne")
    assert again.state is EventState.RECEIVED
    merchant.sync()
    assert told(merchant, waiting) == ["CHRONOPOST"]
    assert told(merchant, other) == []
    assert told(merchant, ships(merchant, "xpress")) == ["CHRONOPOST"]
    [row] = merchant.connector.mapped_carriers("b2c")
    assert (row.code, row.carrier, row.set_by) == ("xpress", "CHRONOPOST", "anne")
    noted = [(entry.what, entry.who) for entry in merchant.connector.store.general_journal()]
    assert ("carrier_mapped", "anne") in noted


def test_a_carrier_that_has_no_code_in_its_shop_is_mapped_by_its_name(merchant: Any) -> None:
    """As Shopware's carriers."""
    waiting = ships(merchant, "", "Bote Nord")
    [failed] = merchant.connector.store.list_events(state=EventState.FAILED)
    assert '"Bote Nord" = ' in failed.about
    merchant.connector.map_carrier("b2c", "manomano_fr", "Bote Nord", "CHRONOPOST")
    merchant.sync()
    assert told(merchant, waiting) == ["CHRONOPOST"]
    assert told(merchant, ships(merchant, "", "geo")) == ["Other"], "of the settings too"
    assert told(merchant, ships(merchant, "colis", "Bote Nord")) == ["COLISSIMO"], "its code goes before its name"


def test_however_much_waits_for_a_mapping_it_is_worked_off(merchant: Any) -> None:
    """Of a weekend, say."""
    merchant.sync()
    now = merchant.connector.now()
    event = Event("1", "shipment", shop_order_id="1", tracking=Tracking("xpress", "", "7"))
    body = msgspec.to_builtins(event)
    with merchant.connector.store.transaction() as tx:
        for number in (f"E{one}" for one in range(1100)):
            tx.add_events([EventRow(0, "b2c", number, number, "shipment", body, EventState.FAILED, "", "", now)])
    assert len(merchant.connector.map_carrier("b2c", "manomano_fr", "xpress", "CHRONOPOST")) == 1100


def test_what_is_mapped_by_hand_goes_before_the_settings_and_leaves_the_rest(merchant: Any) -> None:
    merchant.connector.map_carrier("b2c", "manomano_fr", "colis", "DPD")
    assert told(merchant, ships(merchant, "colis")) == ["DPD"]
    assert told(merchant, ships(merchant, "geo")) == ["Other"]
    merchant.connector.unmap_carrier("b2c", "manomano_fr", "colis")
    assert told(merchant, ships(merchant, "colis")) == ["COLISSIMO"]


def test_only_a_carrier_of_the_marketplace_can_be_meant(merchant: Any) -> None:
    merchant.sync()
    with pytest.raises(CannotMend, match="has no carrier 'PIGEON'"):
        merchant.connector.map_carrier("b2c", "manomano_fr", "x", "PIGEON")
    with pytest.raises(CannotMend, match="Name the carrier"):
        merchant.connector.map_carrier("b2c", "manomano_fr", " ", "DPD")
    with pytest.raises(ActionInvalid, match="nowhere"):
        merchant.connector.map_carrier("b2c", "nowhere", "x", "DPD")
    with pytest.raises(CannotMend, match="no carrier 'x' that is mapped by hand"):
        merchant.connector.unmap_carrier("b2c", "manomano_fr", "x")
