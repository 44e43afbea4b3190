"""Shipments in an order as WooCommerce shows it: plugins' metas, core fulfilments, or its status alone.

Key names and shapes: WooCommerce Shipment Tracking and AST (FINDINGS (i)); AfterShip, YITH, Orders Tracking (VillaTheme)
and Colissimo Officiel as their public code writes them.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.woocommerce.body import LINE_ID, REFERENCE, SHIPPED
from lengow.adapters.woocommerce.comparison import meta_of, meta_text
from lengow.adapters.woocommerce.settings import TrackingMeta, WooCommerceSettings
from lengow.connector.adapter import Event
from lengow.connector.decode import clean
from lengow.connector.model import Tracking

FULFILMENT_STATUS = "_fulfillment_status"
"""The order meta by which a core fulfilment shows; what was shipped how, only its own route tells (FINDINGS (i))."""

LIST_METAS: Mapping[str, TrackingMeta] = {
    # WooCommerce Shipment Tracking, and Advanced Shipment Tracking (zorem)
    "_wc_shipment_tracking_items": TrackingMeta(
        number="tracking_number",
        carrier="tracking_provider",
        carrier_name="custom_tracking_provider",
        url="custom_tracking_link",
    ),
    "_aftership_tracking_items": TrackingMeta(number="tracking_number", carrier="slug"),
}
"""Order metas that hold a list of shipments, and the names within each."""

PLAIN_METAS: Sequence[TrackingMeta] = (
    TrackingMeta(  # YITH WooCommerce Order & Shipment Tracking
        number="ywot_tracking_code", carrier="ywot_carrier_id", carrier_name="ywot_carrier_name", url="ywot_carrier_url"
    ),
    TrackingMeta(number="_aftership_tracking_number", carrier_name="_aftership_tracking_provider_name"),
    TrackingMeta(number="lpc_outward_parcel_number", label="Colissimo"),  # Colissimo Officiel
    TrackingMeta(
        number="_tracking_number", carrier="_tracking_provider", carrier_name="_tracking_carrier", url="_tracking_url"
    ),
)
"""Order metas that hold one number."""

LINE_META = "_vi_wot_order_item_tracking_data"
"""Orders Tracking for WooCommerce (VillaTheme) keeps a JSON list at each line; the last entry counts."""
LINE_META_FIELDS = TrackingMeta(
    number="tracking_number", carrier="carrier_slug", carrier_name="carrier_name", url="carrier_url"
)
FULFILMENT_FIELDS = TrackingMeta(
    number="_tracking_number", carrier="_shipment_provider", carrier_name="_provider_name", url="_tracking_url"
)

Row = Mapping[str, Any]


def reference_of(view: Entry) -> str:
    """Our reference, where the order is one of ours; else nothing."""
    return meta_text(view, REFERENCE)


def has_fulfilments(view: Entry) -> bool:
    return meta_of(view, FULFILMENT_STATUS) is not None


def shipments_in(view: Entry, settings: WooCommerceSettings, fulfilments: Sequence[Entry] = ()) -> list[Event]:
    """The shipments of one of our orders; none for another's, and none that the connector itself told the shop."""
    if not reference_of(view) or meta_of(view, SHIPPED) == "yes":
        return []
    found = (
        _by_fulfilment(view, fulfilments)
        or [_event(view, tracking, (), "meta") for tracking in _in_metas(view, settings)]
        or [_event(view, tracking, lines, "line meta") for tracking, lines in _in_lines(view)]
    )
    if not found and view.text("status") in settings.shipped_statuses:
        found = [_event(view, Tracking(), (), f"status {view.text('status')}")]
    return list({event.id: event for event in found}.values())


def clean_text(value: Any) -> str:
    return clean(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _event(
    view: Entry,
    tracking: Tracking,
    line_ids: Sequence[str],
    raw_kind: str,
    *,
    quantities: Mapping[str, int] | None = None,
    parcel: str = "",
) -> Event:
    """Its id comes from what it tells, so that webhook and polling give one."""
    told = [tracking, sorted(line_ids), *([parcel, sorted(quantities.items())] if quantities else [])]
    facts = msgspec.json.encode(told)
    return Event(
        id=f"{view.text('id')}-{hashlib.sha256(facts).hexdigest()[:24]}",
        kind="shipment",
        shop_order_id=view.text("id"),
        reference=reference_of(view),
        tracking=tracking,
        line_ids=tuple(line_ids),
        quantities=dict(quantities or {}),
        parcel=parcel,
        raw_kind=raw_kind,
    )


def _in_metas(view: Entry, settings: WooCommerceSettings) -> list[Tracking]:
    metas = _metas(view)
    own = [_tracking(metas, names) for names in settings.tracking_metas]
    listed = [
        _tracking(one, names) for key, names in LIST_METAS.items() for one in _dicts(metas.get(key)) if key in metas
    ]
    plain = [_tracking(metas, names) for names in PLAIN_METAS]
    for source in (own, listed, plain):
        numbered = [tracking for tracking in source if tracking.number]
        if numbered:
            return numbered
    return []


def _in_lines(view: Entry) -> list[tuple[Tracking, tuple[str, ...]]]:
    """Lines that were shipped together, together. Lines without our id (added in the shop) are nobody's."""
    together: dict[Tracking, list[str]] = {}
    for line in view.entries("line_items", needed=True):
        line_id = meta_text(line, LINE_ID)
        entries = _dicts(_decoded(meta_of(line, LINE_META)))
        tracking = _tracking(entries[-1], LINE_META_FIELDS) if entries else Tracking()
        if tracking.number and line_id:
            url = tracking.url.replace("{tracking_number}", tracking.number)
            together.setdefault(msgspec.structs.replace(tracking, url=url), []).append(line_id)
    return [(tracking, tuple(lines)) for tracking, lines in together.items()]


def _by_fulfilment(view: Entry, fulfilments: Sequence[Entry]) -> list[Event]:
    """Each fulfilment with its lines, and the pieces of those that it holds only a part of."""
    lines = {line.text("id", ""): line for line in view.entries("line_items", needed=True)}
    found = []
    for fulfilment in fulfilments:
        if fulfilment.get("date_deleted") or fulfilment.get("is_fulfilled") not in (True, "1", 1):
            continue
        line_ids, quantities = [], {}
        for item in _items(fulfilment):
            line, pieces = lines.get(item.text("item_id")), item.whole("qty")
            line_id = meta_text(line, LINE_ID) if line is not None else ""
            if line is None or not line_id or pieces < 1:
                continue
            line_ids.append(line_id)
            if pieces < line.whole("quantity"):
                quantities[line_id] = pieces
        if line_ids:
            tracking = _tracking(_metas(fulfilment), FULFILMENT_FIELDS)
            parcel = fulfilment.text("id")
            found.append(_event(view, tracking, line_ids, "fulfillment", quantities=quantities, parcel=parcel))
    return found


def _items(fulfilment: Entry) -> list[Entry]:
    """What is in a fulfilment."""
    for one in fulfilment.entries("meta_data", needed=True):
        if one.get("key") == "_items":
            return one.entries("value", needed=True)
    return []


def _metas(view: Entry) -> dict[str, Any]:
    """Those of plugins may be anything: what is not read as a shipment is none."""
    return {str(one.get("key")): one.get("value") for one in view.entries("meta_data")}


def _tracking(values: Row, names: TrackingMeta) -> Tracking:
    return Tracking(
        carrier_code=clean_text(values.get(names.carrier)) if names.carrier else "",
        carrier_name=(clean_text(values.get(names.carrier_name)) if names.carrier_name else "") or names.label,
        number=clean_text(values.get(names.number)),
        url=clean_text(values.get(names.url)) if names.url else "",
    )


def _dicts(value: Any) -> list[Row]:
    """PHP's lists come as lists, or as objects once an entry was deleted."""
    entries: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in entries if isinstance(one, dict)]


def _decoded(value: Any) -> Any:
    try:
        return msgspec.json.decode(value) if isinstance(value, str) and value else value
    except (msgspec.DecodeError, RecursionError):
        return None
