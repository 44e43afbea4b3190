"""Every reason code with a sentence of fact and one of what to do. Shown in console, CLI, journal and docs."""

import msgspec


class Reason(msgspec.Struct, frozen=True):
    sentence: str
    what_to_do: str


REASONS: dict[str, Reason] = {
    # Waiting: the connector looks again by itself.
    "waiting_acceptance": Reason(
        "The order, or a line of it, waits for acceptance on the marketplace.",
        "Accept it at Lengow or on the marketplace; it is imported then.",
    ),
    "not_yet_importable": Reason(
        "The order's status at Lengow is not one that is imported.",
        "Nothing: it is imported once it is ready for shipment.",
    ),
    "unknown_marketplace": Reason(
        "Lengow does not describe this marketplace, so no shipment could be confirmed to it.",
        "Ask Lengow to connect the marketplace to the account; the order is decided anew at each sync.",
    ),
    "unknown_product": Reason(
        "The shop has no product with this reference.",
        'Create the product, or set unknown_products = "import"; the order is tried again by itself.',
    ),
    "outcome_unknown": Reason(
        "The shop's answer to the creation was lost.",
        "Nothing: the connector asks the shop whether it holds the order before it sends it again.",
    ),
    "shop_unavailable": Reason(
        "The shop could not be reached or is failing.",
        "Check that the shop is up; the connector tries again by itself.",
    ),
    # Skipped: not imported, by rule.
    "no_shop": Reason(
        "No configured shop takes orders of this marketplace and catalogue.",
        "Add the marketplace or catalogue to a shop of this account.",
    ),
    "refused_before_import": Reason("The order was refused before it could be imported.", "Nothing."),
    "canceled_before_import": Reason("The order was cancelled before it could be imported.", "Nothing."),
    "refunded_before_import": Reason("The order was refunded before it could be imported.", "Nothing."),
    "delivered_by_marketplace_disabled": Reason(
        "The marketplace ships this order itself, and the shop does not import such orders.",
        "Switch on import_orders_shipped_by_marketplaces to import it.",
    ),
    "delivered_by_marketplace_unsupported": Reason(
        "The marketplace ships this order itself, and this platform cannot import such orders.",
        "Nothing; follow it at Lengow.",
    ),
    "anonymized": Reason(
        "The buyer's data was erased at Lengow, so the order cannot be delivered.", "Nothing; follow it at Lengow."
    ),
    "no_lines": Reason("The order has no lines.", "Look at it on the marketplace; it is read again when it changes."),
    "before_start_date": Reason(
        "The order is older than the shop's start_date.", "Set an earlier start_date to import it."
    ),
    "already_imported_elsewhere": Reason(
        "Lengow already has a merchant order id for this order, and it is not one of ours.",
        "If no other system holds the order, set import_orders_with_merchant_order_id = true.",
    ),
    "lines_moved": Reason("Its lines moved to other packages of the order before it was created.", "Nothing."),
    # Failed: a person has to look.
    "order_undecodable": Reason(
        "The order has a missing or wrong-typed field.",
        "Report it to Lengow; it is kept as it came, and read again when it changes or with `orders retry`.",
    ),
    "duplicate_line": Reason("Two lines of the order have the same id.", "Report it to Lengow; then `orders retry`."),
    "no_exchange_rate": Reason(
        "Lengow has no exchange rate for this order (its total is -1).",
        "Ask Lengow for the rate; then `orders retry`.",
    ),
    "unknown_currency": Reason(
        "The order's currency is missing or not an ISO 4217 code.", "Report it to Lengow; then `orders retry`."
    ),
    "negative_amount": Reason("An amount of the order is negative.", "Report it to Lengow; then `orders retry`."),
    "invalid_quantity": Reason("A line's quantity is not at least 1.", "Report it to Lengow; then `orders retry`."),
    "no_delivery_country": Reason(
        "The delivery address has no country.", "Complete it on the marketplace or at Lengow; then `orders retry`."
    ),
    "rejected_by_shop": Reason("The shop refused the order.", "Mend what its text names; then `orders retry`."),
    "gave_up": Reason("The step failed at every try.", "Mend what the last failure names; then `orders retry`."),
}
