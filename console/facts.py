"""What JSON tells of an order, an action, a change, an event: the same on the command line and in the console."""

from typing import Any

import msgspec

from lengow.connector.changes import in_words
from lengow.connector.store.rows import ActionRow, ChangeRow, EventRow, JournalEntry, StoredOrder


def order_facts(stored: StoredOrder) -> dict[str, Any]:
    order = stored.order
    return {
        "account": order.account,
        "marketplace": order.marketplace,
        "marketplace_order_id": order.marketplace_order_id,
        "ordered_at": order.ordered_at,
        "ship_by": order.ship_by,
        "status": order.status,
        "types": order.types.split(),
        "total": order.total,
        "currency": order.currency,
        "buyer": order.buyer,
        "erased_at": order.erased_at,
        "state": order.state,
        "reason": order.reason,
        "about": order.about,
        "packages": [
            {
                "shop": row.shop,
                "reference": row.reference,
                "line_ids": row.line_ids,
                "state": row.state,
                "reason": row.reason,
                "about": row.about,
                "shop_order_id": row.shop_order_id,
            }
            for row in stored.packages
        ],
    }


def action_facts(row: ActionRow) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(row)
    return {name: value for name, value in facts.items() if name not in ("dedupe", "order_id", "package_id")}


def change_facts(row: ChangeRow, stored: StoredOrder) -> dict[str, Any]:
    """With the buyer's new address, where that is the change."""
    facts: dict[str, Any] = msgspec.to_builtins(row)
    key = stored.order.key
    facts |= {"marketplace": key.marketplace, "marketplace_order_id": key.marketplace_order_id}
    facts["change"] = in_words(row.kind, row.body)
    return {name: value for name, value in facts.items() if name not in ("order_id", "package_id")}


def event_facts(row: EventRow) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(row)
    return facts


def journal_facts(entry: JournalEntry) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(entry)
    return facts
