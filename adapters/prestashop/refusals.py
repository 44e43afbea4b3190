"""The shop's refusals as outcomes: its own words, the field, and what to do (FINDINGS; platforms.md §2.1, §2.8)."""

import msgspec

from lengow.adapters.prestashop.api import CART_USED, Refusal
from lengow.connector.adapter import Rejected


class Remedy(msgspec.Struct, frozen=True):
    field: str
    """Used where the shop names none."""
    what_to_do: str
    retry: bool = False


KEY = "Make a key of 32 characters at Advanced Parameters > Webservice, and put it into `key`."
RIGHTS = "Give the key the rights that docs/adapters/prestashop.md lists, at Advanced Parameters > Webservice."
OURS = "Report it: the connector sent something that this PrestaShop does not know."
CORRECT = "Correct the named field of the order on the marketplace or at Lengow."

REMEDIES = {
    16: Remedy("key", KEY, True),
    17: Remedy("key", KEY, True),
    18: Remedy("key", KEY, True),
    20: Remedy("key", "Check `key`, and switch the key on at Advanced Parameters > Webservice.", True),
    21: Remedy("key", RIGHTS, True),
    22: Remedy("url", "Switch the webservice on at Advanced Parameters > Webservice.", True),
    23: Remedy("url", OURS),
    25: Remedy("key", RIGHTS, True),
    26: Remedy("key", RIGHTS, True),
    27: Remedy("url", OURS),
    32: Remedy("", OURS),
    35: Remedy("", OURS),
    38: Remedy("", OURS),
    41: Remedy("", OURS),
    46: Remedy("", "Look up the shop's words, and its logs at Advanced Parameters > Logs."),
    84: Remedy("", CORRECT),
    85: Remedy("", CORRECT),
    86: Remedy("", OURS),
    87: Remedy("id", "It was deleted in the shop: reimport the order, or dismiss the change."),
    89: Remedy("id", OURS),
    90: Remedy("id", OURS),
    91: Remedy("id", OURS),
    92: Remedy("id", "It was deleted in the shop: reimport the order, or dismiss the change."),
    93: Remedy("", OURS),
    101: Remedy("", OURS),
    127: Remedy("", OURS),
    132: Remedy("url", "Use the address of the one shop that the orders are for.", True),
    140: Remedy(
        "email", "Another customer has the order's own e-mail address: delete him, or choose another `email_domain`."
    ),
    999: Remedy("url", "Use the address of the one shop that the orders are for.", True),
}
"""By PrestaShop's code. Those that lie in key or set-up are worth a retry: it goes well once they are mended."""
OTHERS = Remedy("", "Look up the shop's words; a module may have its own rules.")
HOST = Remedy(
    "url",
    "Check `url`, that address rewriting is on, and that the host or its firewall lets the connector through "
    "(`user_agent`; `key_in_query` where it drops the Authorization header).",
    True,
)
DEATHS = {
    "Fatal error": Remedy("module", "Install and activate the payment module that `payment_module` names."),
}
"""What PHP says when it ends in the middle of an order."""
SILENT_DEATH = Remedy(
    "module",
    "If it comes again: check that `payment_module` is installed and the delivery country has an active carrier, and "
    "look into the PHP error log.",
    True,
)


def remedy_of(refusal: Refusal) -> Remedy:
    if refusal.message == CART_USED:
        return Remedy("id_cart", "Somebody ordered the cart meanwhile: the order is looked for again.", True)
    if refusal.code:
        return REMEDIES.get(refusal.code, OTHERS)
    return HOST


def rejected(reference: str, refusal: Refusal) -> Rejected:
    remedy = remedy_of(refusal)
    return Rejected(
        reference, f"{refusal}. {remedy.what_to_do}", retry=remedy.retry, field=refusal.field or remedy.field
    )
