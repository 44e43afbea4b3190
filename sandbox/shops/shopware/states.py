"""Shopware's state machines as it installs them: `(from, action): to` (reference platforms.md §4.5)."""

from collections.abc import Mapping

MACHINES: Mapping[str, Mapping[tuple[str, str], str]] = {
    "order.state": {
        ("open", "process"): "in_progress",
        ("open", "cancel"): "cancelled",
        ("in_progress", "complete"): "completed",
        ("in_progress", "cancel"): "cancelled",
        ("completed", "reopen"): "open",
        ("cancelled", "reopen"): "open",
    },
    "order_delivery.state": {
        ("open", "ship"): "shipped",
        ("open", "ship_partially"): "shipped_partially",
        ("open", "cancel"): "cancelled",
        ("shipped_partially", "ship"): "shipped",
        ("shipped_partially", "retour"): "returned",
        ("shipped_partially", "retour_partially"): "returned_partially",
        ("shipped_partially", "cancel"): "cancelled",
        ("shipped", "retour"): "returned",
        ("shipped", "retour_partially"): "returned_partially",
        ("shipped", "cancel"): "cancelled",
        ("returned_partially", "retour"): "returned",
        ("returned_partially", "reopen"): "open",
        ("returned", "reopen"): "open",
        ("cancelled", "reopen"): "open",
    },
    "order_transaction.state": {
        ("open", "paid"): "paid",
        ("open", "do_pay"): "in_progress",
        ("open", "cancel"): "cancelled",
        ("open", "fail"): "failed",
        ("open", "paid_partially"): "paid_partially",
        ("in_progress", "paid"): "paid",
        ("paid_partially", "paid"): "paid",
        ("paid_partially", "refund"): "refunded",
        ("paid_partially", "refund_partially"): "refunded_partially",
        ("paid", "refund"): "refunded",
        ("paid", "refund_partially"): "refunded_partially",
        ("refunded_partially", "refund"): "refunded",
        ("cancelled", "reopen"): "open",
    },
}
ENTITIES: Mapping[str, str] = {
    "order": "order.state",
    "order_delivery": "order_delivery.state",
    "order_transaction": "order_transaction.state",
}
"""The machine of what can be moved."""


def places(machine: str) -> list[str]:
    moves = MACHINES[machine]
    return sorted({start for start, _ in moves} | set(moves.values()))
