"""What is known of Shopware's Admin API, in one place (reference platforms.md §4, read from 6.4 to 6.7 sources).

Nothing here was run against a live shop. What is marked *memory* was not read in a source either: mend it here.
"""

from collections.abc import Mapping

ORDER_MACHINE, DELIVERY_MACHINE, TRANSACTION_MACHINE = "order.state", "order_delivery.state", "order_transaction.state"
MACHINES: Mapping[str, str] = {
    "order": ORDER_MACHINE,
    "order_delivery": DELIVERY_MACHINE,
    "order_transaction": TRANSACTION_MACHINE,
}

MOVES: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("order", "cancelled"): {"open": ("cancel",), "in_progress": ("cancel",), "completed": ("reopen", "cancel")},
    ("order", "completed"): {"open": ("process", "complete"), "in_progress": ("complete",)},
    ("order_delivery", "shipped"): {"open": ("ship",), "shipped_partially": ("ship",)},
    ("order_delivery", "cancelled"): {"open": ("cancel",), "shipped": ("cancel",), "shipped_partially": ("cancel",)},
    ("order_transaction", "refunded"): dict.fromkeys(("paid", "paid_partially", "refunded_partially"), ("refund",)),
    ("order_transaction", "refunded_partially"): dict.fromkeys(("paid", "paid_partially"), ("refund_partially",)),
}
"""The transitions that lead from a state to another, by what moves and where to (§4.5; the set is *memory*)."""

CANCELLED, SHIPPED, REFUNDED = "cancelled", "shipped", "refunded"
SHIPPED_EVENT = "state_enter.order_delivery.state.shipped"
CANCELLED_EVENT = "state_enter.order.state.cancelled"
REFUNDED_EVENT = "state_enter.order_transaction.state.refunded"
EVENTS = (SHIPPED_EVENT, CANCELLED_EVENT, REFUNDED_EVENT)

SIGNATURE = "shopware-shop-signature"
WEBHOOK_AGE_SECONDS = 300
"""The time in a webhook is that of each sending, also of a repeat (§4.7)."""

PAGE = 500
"""The API's `max_limit`."""
LONGEST_FIRST_NAME, LONGEST_LAST_NAME, LONGEST_TEXT = 50, 60, 255
"""Characters (§5)."""
LONGEST_ORDER_NUMBER = 64
"""*Memory.*"""

TAGS = str.maketrans({"<": "‹", ">": "›"})
"""Shopware strips what looks like a tag from every text, to the end of it where it is not closed (PHP's strip_tags, read in
`StringFieldSerializer`)."""

TOKEN_SHARE = 0.8
"""Of a token's life, after which it is renewed."""
TOKEN_PAUSE_SECONDS = 60.0
"""How long refused credentials are not tried again: wrong tries close the token route for all integrations."""

OLDEST_VERSION = (6, 5)
"""Before 6.5.5 the stock follows other rules (§4.3), which were not looked at."""

FOREIGN_KEY_BROKEN = "SQLSTATE[23000]"
"""In a 500: something that the order names is not there any more; the transaction was rolled back."""
STATE_NOT_WRITABLE = "Changing the state-machine-state"
"""In a refusal: the row exists already, because a state can only be chosen when it is inserted."""

ENTIRE_COUNTRY, ZIP_CODE, ZIP_RANGE, COUNTRY_STATES = (
    "entire_country",
    "zip_code",
    "zip_code_range",
    "individual_states",
)
TAX_RULE_ORDER = (ZIP_CODE, ZIP_RANGE, COUNTRY_STATES, ENTIRE_COUNTRY)
"""Types of tax rules, the narrowest first. The order is *memory*; the names in a rule's `data` were read in `TaxRuleType/`."""

PRIVILEGES: Mapping[str, tuple[str, ...]] = {
    "order": ("read", "create", "update", "delete"),
    "order_customer": ("read", "create", "update", "delete"),
    "order_address": ("read", "create", "update", "delete"),
    "order_line_item": ("read", "create", "update", "delete"),
    "order_delivery": ("read", "create", "update", "delete"),
    "order_delivery_position": ("read", "create", "update", "delete"),
    "order_transaction": ("read", "create", "update", "delete"),
    "product": ("read", "update"),
    "state_machine_history": ("create",),
    "webhook": ("read", "update"),
    **dict.fromkeys(
        (
            "currency",
            "country",
            "country_state",
            "salutation",
            "language",
            "tax",
            "tax_rule",
            "tax_rule_type",
            "payment_method",
            "shipping_method",
            "sales_channel",
            "state_machine",
            "state_machine_state",
        ),
        ("read",),
    ),
}
"""The rights of the integration; nothing more is needed (the exact set is *memory*: a 403 names what is missing)."""
