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
        "The buyer's data was erased, at Lengow or here, so the order cannot be delivered.",
        "Nothing; follow it at Lengow.",
    ),
    "no_lines": Reason("The order has no lines.", "Look at it on the marketplace; it is read again when it changes."),
    "before_start_date": Reason(
        "The order is older than the shop's start_date.", "Set an earlier start_date to import it."
    ),
    "already_imported_elsewhere": Reason(
        "Another system has the order: Lengow holds a merchant order id that is not ours, or it is in a shop by another "
        "of our accounts.",
        "If an older copy of the store was put back, `reconcile --fix` takes it over. If none has it, set "
        "import_orders_with_merchant_order_id = true; of two accounts, `orders retry` makes it anew.",
    ),
    "dismissed": Reason(
        "A person decided that it will not be imported, for the reason that is given.",
        "Nothing; `orders retry` decides it anew.",
    ),
    "lines_moved": Reason("Its lines moved to other packages of the order before it was created.", "Nothing."),
    # Changes at Lengow to an order that is in the shop.
    "asked_by_settings": Reason(
        "The settings put such a change to a person.",
        "`changes apply` brings it to the shop, `changes dismiss` leaves the shop as it is.",
    ),
    "ignored_by_settings": Reason("The settings ignore such a change.", "Nothing."),
    "platform_cannot": Reason(
        "The adapter of this platform cannot bring such a change.",
        "Make it in the shop by hand; then `changes dismiss`.",
    ),
    "refused_by_shop": Reason(
        "The shop refused the change, in the words beside it.",
        "Mend what they name, then `changes apply`; or make it by hand, then `changes dismiss`.",
    ),
    "change_given_up": Reason(
        "The change failed at every try.", "Mend what the last failure names; then `changes apply`."
    ),
    "lines_vanished": Reason(
        "Lengow does not show lines any more that are in the shop order.",
        "Look at the order on the marketplace; `changes apply` cancels them in the shop.",
    ),
    "refunded_before": Reason(
        "Lines are cancelled that were given back before.",
        "See that nothing is booked twice; then `changes apply` or `changes dismiss`.",
    ),
    "cancelled_after_shipment": Reason(
        "The marketplace cancelled what had left already, as far as it had told, or we had told it.",
        "See where the parcel is; `changes apply` cancels it in the shop, else `changes dismiss`.",
    ),
    "shipment_taken_back": Reason(
        "The marketplace counts as not shipped what it counted as shipped before.",
        "Look at the order there; if it is shipped, `actions retry` of its confirmation tells it once more. "
        "Then `changes dismiss`.",
    ),
    "reopened": Reason(
        "The marketplace took a cancellation back; the shop does not open it again by itself.",
        "Open the order in the shop by hand, or refuse it at the marketplace; then `changes dismiss`.",
    ),
    "refund_amount_unknown": Reason(
        "The order was given back in part, and Lengow does not tell how much.",
        "Look at it on the marketplace, book it in the shop; then `changes dismiss`.",
    ),
    "total_lowered": Reason(
        "The order comes to less at Lengow, and no line, shipping or refund says why: money was given back, as it seems.",
        "Look at it on the marketplace; `changes apply` books the amount as a refund, else `changes dismiss`.",
    ),
    "not_compared": Reason(
        "What changed of the order at Lengow could not be worked out.",
        "Compare it with the shop order by hand, then `changes dismiss`; and report it to us.",
    ),
    "currency_changed": Reason(
        "Lengow tells the amounts in another currency than that of the shop order.",
        "Look at the order on the marketplace; correct it in the shop by hand, then `changes dismiss`.",
    ),
    "relay_changed": Reason(
        "The buyer chose another relay point.",
        "Enter it in the shop; `changes apply` corrects the address beside it, if there is one.",
    ),
    "already_shipped": Reason("The address was corrected after the parcel had left.", "Nothing."),
    "address_erased": Reason("The marketplace hides the buyer's address by now.", "Nothing."),
    "overtaken": Reason("A later change says more.", "Nothing."),
    "made_anew": Reason(
        "The shop order was made anew; what the one that is gone had of it is brought once more.", "Nothing."
    ),
    "not_created": Reason("The shop order was not made after all.", "Nothing."),
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
    "not_erased": Reason(
        "The buyer's data could not be erased when its time was over.",
        "Mend what the text beside it names; it is tried again each day.",
    ),
    "gave_up": Reason("The step failed at every try.", "Mend what the last failure names; then `orders retry`."),
}
