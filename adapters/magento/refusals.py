"""The shop's refusals as outcomes: its own words, the field, and what to do (reference platforms.md §3.1, §3.8)."""

import msgspec

from lengow.adapters.magento.api import Refusal
from lengow.adapters.magento.facts import (
    BAD_SIGNATURE,
    BAD_TIMESTAMP,
    DUPLICATE,
    NO_ENTITY,
    NO_ROUTE,
    NO_STORE,
    NONCE_USED,
    UNAUTHORIZED,
)
from lengow.connector.adapter import Rejected


class Remedy(msgspec.Struct, frozen=True):
    what_to_do: str
    field: str = ""
    """Used where the shop names none."""
    retry: bool = False


REMEDIES = {
    UNAUTHORIZED: Remedy(
        "Tick the named resource of the integration, or, where the token itself is refused, sign requests or allow "
        "tokens as bearer; docs/adapters/magento.md tells how.",
        "access_token",
        True,
    ),
    BAD_SIGNATURE: Remedy(
        "Correct `consumer_key`, `consumer_secret`, `access_token` and `access_token_secret`; a proxy that changes the "
        "address breaks signatures too.",
        "consumer_secret",
        True,
    ),
    BAD_TIMESTAMP: Remedy("Set the clocks of both machines by NTP.", "oauth_timestamp", True),
    NONCE_USED: Remedy("Something repeats the connector's requests: look at the proxy.", "oauth_nonce", True),
    NO_STORE: Remedy("Set `store` to the code of a store view.", "store", True),
    NO_ROUTE: Remedy("Check `url`; a module of the shop (such as inventory) may be switched off.", "url", True),
    DUPLICATE: Remedy("Another order of the shop has this number: look for it there.", "increment_id"),
    NO_ENTITY: Remedy("The order was deleted in the shop: dismiss the change.", "entity_id"),
    "We can't save the address": Remedy("Complete the address on the marketplace or at Lengow.", "billing_address"),
    "Creditmemo Document": Remedy("Book the refund by hand in the shop."),
    "Invoice Document": Remedy("Invoice the order by hand in the shop; then try again."),
    "does not have accessor method": Remedy(
        "The shop's version keeps other fields: report its version to the connector."
    ),
    "value's type is invalid": Remedy("Report it to the connector."),
    "is required. Enter and try again": Remedy("Correct the named field of the order on the marketplace or at Lengow."),
}
OTHERS = Remedy("Look up the shop's words; an extension may have its own rules.")
HOST = Remedy("Ask the host, or its firewall, to let the connector's requests through; check `url`.", "url", True)


def remedy_of(refusal: Refusal) -> Remedy:
    words = str(refusal)
    if words.lstrip().startswith("<") or refusal.status < 400:
        return HOST
    known = next((remedy for told, remedy in REMEDIES.items() if told in words), OTHERS)
    return msgspec.structs.replace(known, retry=True) if refusal.status in (401, 403) else known


def rejected(reference: str, refusal: Refusal) -> Rejected:
    remedy = remedy_of(refusal)
    sentence = f"{str(refusal).rstrip('.')}. {remedy.what_to_do}"
    return Rejected(reference, sentence, retry=remedy.retry, field=refusal.field or remedy.field)
