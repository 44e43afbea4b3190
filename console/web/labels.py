"""Words of the connector in words of a person. Tables of English texts; each is translated where it is shown."""

from lengow.connector.discrepancies import Kind, Remedy
from lengow.connector.model import ActionState, ChangeKind, ChangeState, EventState, OrderState, StepKind
from lengow.connector.reasons import REASONS
from lengow.connector.reasons_french import REASONS_FRENCH
from lengow.connector.settings import DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED, IMPORT_SHIPPED_BY_MARKETPLACE
from lengow.console.web.language import N_, Language

ORDER_STATES = {
    OrderState.FAILED: N_("failed"),
    OrderState.WAITING: N_("waiting"),
    OrderState.READY: N_("ready"),
    OrderState.CREATING: N_("being created"),
    OrderState.CREATED: N_("in the shop"),
    OrderState.SKIPPED: N_("skipped"),
    OrderState.WITHDRAWN: N_("withdrawn"),
}

ACTION_STATES = {
    ActionState.HELD: N_("held for the rest of the line"),
    ActionState.QUEUED: N_("queued"),
    ActionState.SENDING: N_("being sent"),
    ActionState.SENT: N_("at the marketplace"),
    ActionState.STUCK: N_("no answer yet"),
    ActionState.CONFIRMED: N_("confirmed"),
    ActionState.REFUSED: N_("refused"),
    ActionState.FAILED: N_("failed"),
}

EVENT_STATES = {
    EventState.RECEIVED: N_("received"),
    EventState.DONE: N_("done"),
    EventState.IGNORED: N_("ignored"),
    EventState.FAILED: N_("failed"),
    EventState.DISMISSED: N_("dismissed"),
}

CHANGES = {
    ChangeKind.CANCELLED: N_("Cancelled"),
    ChangeKind.LINES: N_("Some lines cancelled"),
    ChangeKind.REFUNDED: N_("Refunded"),
    ChangeKind.SHIPPED: N_("Shipped without the shop"),
    ChangeKind.ADDRESS: N_("Address changed"),
    ChangeKind.AMOUNTS: N_("Amounts changed"),
}

CHANGE_STATES = {
    ChangeState.PENDING: N_("on its way to the shop"),
    ChangeState.WAITING: N_("waits for you"),
    ChangeState.APPLIED: N_("in the shop"),
    ChangeState.IGNORED: N_("ignored"),
    ChangeState.DISMISSED: N_("dismissed"),
    ChangeState.OVERTAKEN: N_("overtaken"),
}

INVOICE_STATES = {
    "held": N_("held"),
    "issued": N_("issued"),
    "to_mail": N_("to be mailed"),
    "mailing": N_("being mailed"),
    "mailed": N_("mailed"),
    "mail_unknown": N_("perhaps mailed"),
    "mail_failed": N_("not mailed"),
    "bounced": N_("came back"),
    "dismissed": N_("dismissed"),
}

INVOICE_KINDS = {"invoice": N_("invoice"), "credit_note": N_("credit note")}

TONES = {
    "failed": "bad",
    "refused": "bad",
    "stuck": "look",
    "waiting": "look",
    "created": "good",
    "applied": "good",
    "pending": "busy",
    "held": "look",
    "mail_failed": "bad",
    "bounced": "bad",
    "mail_unknown": "look",
    "mailed": "good",
    "issued": "good",
    "to_mail": "busy",
    "mailing": "busy",
    "confirmed": "good",
    "done": "good",
    "ready": "busy",
    "creating": "busy",
    "queued": "busy",
    "sending": "busy",
    "sent": "busy",
    "received": "busy",
}
"""How a state is coloured; its word stands beside the colour always."""

ACTIONS = {
    "accept": N_("Accept"),
    "refuse": N_("Refuse"),
    "ship": N_("Ship"),
    "cancel": N_("Cancel"),
    "refund": N_("Refund"),
}

ARGUMENTS = {
    "carrier": N_("Carrier"),
    "carrier_name": N_("Carrier's name"),
    "tracking_number": N_("Tracking number"),
    "tracking_url": N_("Tracking link"),
    "shipping_date": N_("Shipping date"),
    "delivery_date": N_("Delivery date"),
    "shipping_method": N_("Shipping method"),
    "refund_reason": N_("Reason for the refund"),
    "refund_shipping_fees": N_("Refund the shipping fees too"),
    "refund_quantity": N_("Pieces to refund"),
    "reason": N_("Reason"),
    "quantity": N_("Pieces"),
    "shipped_quantity": N_("Pieces shipped"),
    "cancel_quantity": N_("Pieces to cancel"),
}

STATUSES = {
    "new": N_("new"),
    "waiting_acceptance": N_("waits for acceptance"),
    "accepted": N_("accepted"),
    "waiting_shipment": N_("waits for shipment"),
    "shipped": N_("shipped"),
    "closed": N_("closed"),
    "canceled": N_("cancelled"),
    "refused": N_("refused"),
    "refunding": N_("being refunded"),
    "refunded": N_("refunded"),
    "partial_refunded": N_("refunded in part"),
}

TYPES = {
    "is_delivered_by_marketplace": N_("shipped by the marketplace"),
    "is_business": N_("business"),
    "is_express": N_("express"),
    "is_prime": N_("Prime"),
}

JOURNAL = {
    "received": N_("Came from Lengow"),
    "amended": N_("Changed at Lengow"),
    "decided": N_("Decided"),
    "retried": N_("Tried again by hand"),
    "created": N_("Created in the shop"),
    "found": N_("Found in the shop"),
    "create_failed": N_("Not created in the shop"),
    "gave_up": N_("Given up after many tries"),
    "reported": N_("Shop order's number told to Lengow"),
    "report_failed": N_("Shop order's number not taken by Lengow"),
    "erase_failed": N_("The buyer's data could not be erased"),
    "deadline_near": N_("Shipping deadline is near"),
    "action_queued": N_("To be told to the marketplace"),
    "action_sent": N_("Told to Lengow"),
    "action_found": N_("Found at Lengow"),
    "action_delayed": N_("Lengow was not reached"),
    "action_confirmed": N_("Confirmed by the marketplace"),
    "action_refused": N_("Refused by the marketplace"),
    "action_failed": N_("Not taken by Lengow"),
    "action_stuck": N_("The marketplace has not answered"),
    "event_failed": N_("The shop's event could not be followed"),
    "action_held": N_("Held until the line is whole"),
    "dismissed": N_("Dismissed"),
    "reimport": N_("To be made in the shop anew"),
    "resync_ids": N_("Shop order's number to be told once more"),
    "adopted": N_("Found in the shop, and taken over"),
    "change_approved": N_("Change approved"),
    "change_dismissed": N_("Change not brought to the shop"),
    "change_delayed": N_("Change delayed"),
    "change_applied": N_("Change brought to the shop"),
    "change_waiting": N_("A change waits for a person"),
    "change_ignored": N_("Change ignored"),
    "change_found": N_("Change found at Lengow"),
    "carrier_mapped": N_("Carrier mapped"),
    "carrier_unmapped": N_("Carrier not mapped any more"),
    "product_matched": N_("Product matched"),
    "product_unmatched": N_("Product not matched any more"),
    "toggled": N_("Toggle switched"),
    "user_changed": N_("Users changed"),
}

STEPS = {
    StepKind.IMPORT: N_("import"),
    StepKind.IMPORT_DAILY: N_("daily import"),
    StepKind.CREATE: N_("create the shop order"),
    StepKind.FOLLOW: N_("bring a change to the shop"),
    StepKind.ERASE: N_("erase old personal data"),
    StepKind.DIGEST: N_("mail the digest"),
    StepKind.WORK: N_("work of a further package"),
    StepKind.REPORT: N_("tell Lengow the shop order's number"),
    StepKind.EVENT: N_("follow the shop's event"),
    StepKind.POLL: N_("ask the shop for shipments"),
    StepKind.SEND: N_("send an action"),
    StepKind.OUTCOMES: N_("ask what became of actions"),
}

TOGGLES = {
    IMPORT_SHIPPED_BY_MARKETPLACE: (
        N_("Import orders shipped by marketplaces"),
        N_(
            "Orders that the marketplace ships from its own warehouse come into the shop too, for your books. They are"
            " marked as shipped, and no shipment is told back for them."
        ),
    ),
    DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED: (
        N_("Decrease the shop's stock for them"),
        N_(
            "Orders shipped by the marketplace take their goods from the shop's stock. Leave it off where the"
            " marketplace's warehouse has a stock of its own."
        ),
    ),
}

ROLES = {
    "viewer": (N_("Viewer"), N_("sees everything, changes nothing")),
    "operator": (N_("Operator"), N_("tries again, sends actions, switches toggles")),
    "admin": (N_("Administrator"), N_("the same, and manages who may enter")),
}

SORTS = {
    "newest": N_("newest first"),
    "oldest": N_("oldest first"),
    "deadline": N_("to ship, nearest deadline first"),
}

RULES = {
    "reason_missing": N_("Say why, for the journal."),
    "marketplace_unknown": N_("Lengow does not describe this marketplace to the account."),
    "action_unknown": N_("The marketplace does not take this action."),
    "status_not_allowed": N_("The marketplace does not take this action at the order's present status."),
    "argument_unknown": N_("The marketplace does not take this field with this action."),
    "argument_not_allowed": N_("The marketplace takes this field only together with another."),
    "argument_missing": N_("The marketplace needs this field."),
    "value_not_allowed": N_("The marketplace does not take this value; choose one of its list."),
    "line_unknown": N_("The order has no such line."),
    "line_closed": N_("The line is cancelled or refused; there is nothing left to do for it."),
    "line_needed": N_("The marketplace takes this action line by line; tick the lines."),
    "line_not_supported": N_("The marketplace takes this action only for the whole order."),
    "quantity_invalid": N_("This is not a number of pieces."),
    "quantity_too_high": N_("This is more than was sold."),
    "quantity_not_supported": N_("The marketplace takes no number of pieces here."),
    "parcel_already_told": N_("The marketplace was told of this parcel already."),
    "url_invalid": N_("This is not a web address; it begins with https:// or http://."),
    "delivered_by_marketplace": N_("The marketplace ships this order itself."),
    "action_under_way": N_("The action is at Lengow already, or confirmed."),
    "carrier_unmapped": N_("The shop's carrier is mapped to none of the marketplace's."),
    "refused_by_marketplace": N_("The marketplace answered with a refusal."),
    "no_answer": N_("The marketplace has not answered for a long time; it is still asked."),
    "order_unknown": N_("The shop told of an order that the connector did not bring there."),
    "no_shipment": N_("The shop told of a change that is no shipment."),
    "refunded_elsewhere": N_("A part of the line was given back at the marketplace already; this may be the same."),
    "kind_not_handled": N_("An event that is about no shipment."),
}
"""What a rule's code says; the error's own sentence, with the values, stands beside it."""

DISCREPANCIES = {
    Kind.MISSING_AT_STORE: (N_("Not known to the connector"), N_("Fetch it: sync.")),
    Kind.OUTDATED_AT_STORE: (N_("Changed at Lengow, not known to the connector"), N_("Fetch it: sync.")),
    Kind.MISSING_IN_SHOP: (
        N_("Missing in the shop"),
        N_("On the order's page: “Make it in the shop anew”, once it is sure that it is gone."),
    ),
    Kind.UNKNOWN_IN_SHOP: (N_("In the shop, from nowhere"), N_("See in the shop where it comes from.")),
    Kind.DOUBLED: (
        N_("More than once in the shop"),
        N_("Cancel those in the shop that are too many; the first is the one that shipments are taken from."),
    ),
    Kind.AMOUNT_DIFFERS: (
        N_("Another amount in the shop"),
        N_("See who changed it; correct the order in the shop, or refund at the marketplace."),
    ),
    Kind.CANCELLED_AT_LENGOW_ONLY: (
        N_("Cancelled at Lengow, not in the shop"),
        N_("Cancel it in the shop, and do not ship it."),
    ),
    Kind.CANCELLED_IN_SHOP_ONLY: (
        N_("Cancelled in the shop, not at Lengow"),
        N_("Tell the marketplace, on the order's page; or open it again in the shop."),
    ),
    Kind.SHIPPED_NOT_CONFIRMED: (
        N_("Shipped, and the marketplace does not know"),
        N_("Confirm it on the order's page."),
    ),
    Kind.CONFIRMED_NOT_SHIPPED: (
        N_("Confirmed to the marketplace, not shipped in the shop"),
        N_("Ship it, or mark it as shipped in the shop."),
    ),
    Kind.MERCHANT_ID_MISSING: (
        N_("Lengow does not know the shop order's number"),
        N_("On the order's page: “Tell Lengow its number again”."),
    ),
    Kind.NOT_COMPARED: (N_("Could not be compared"), N_("Try again when it answers.")),
}
"""What it is, and what a person can do."""

REMEDIES = {
    Remedy.RECORD: N_("by fetching it from Lengow"),
    Remedy.CREATE: N_("by creating it in the shop"),
    Remedy.ADOPT: N_("by taking what the shop has for the order's own"),
    Remedy.CONFIRM: N_("by telling the marketplace of the shipment"),
    Remedy.REPORT: N_("by telling Lengow the number again"),
}

STATUS_PAGES = {
    400: (N_("This could not be done."), N_("Go back, and look at what you entered.")),
    401: (N_("You are not known here."), N_("Log in at the application that the console is part of.")),
    403: (
        N_("Your role does not allow this."),
        N_("Ask an administrator for another role, if you need to do this."),
    ),
    404: (N_("There is no such page."), N_("Go back to the overview.")),
    405: (N_("There is no such page."), N_("Go back to the overview.")),
    413: (N_("The form is too large."), N_("Send less at once.")),
    500: (N_("Something went wrong here."), N_("Try again; the log says what it was.")),
}

REASONS_IN = {"en": REASONS, "fr": REASONS_FRENCH}

RETRY = "`orders retry`"
"""What the command line says; here it is a button."""
BUTTON = N_("“Try again”")

STALE_FORM = (
    N_("The form is too old, or did not come from this page; nothing was changed."),
    N_("Open the page again, and send the form once more."),
)


def of_status(status: int) -> tuple[str, str]:
    return STATUS_PAGES.get(status, STATUS_PAGES[400 if status < 500 else 500])


def reason(code: str, language: Language) -> tuple[str, str]:
    """The sentence and what to do, of a reason code; empty where there is nothing to say."""
    known = REASONS_IN.get(language.code, REASONS).get(code)
    if known is None:
        return language.say(RULES.get(code, "")), ""
    return known.sentence, known.what_to_do.replace(RETRY, language.say(BUTTON))
