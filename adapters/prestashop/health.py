"""What a person who sets the shop up must know."""

from collections.abc import Callable, Iterator
from datetime import datetime

from lengow.adapters.calls import Busy, Deadline, Lost
from lengow.adapters.prestashop.api import Refusal, Webservice, when
from lengow.adapters.prestashop.profile import Profile, Profiles
from lengow.adapters.prestashop.refusals import RIGHTS, remedy_of
from lengow.adapters.prestashop.settings import PrestaShopSettings
from lengow.adapters.prestashop.xml import Unreadable, rights
from lengow.connector.adapter import Finding
from lengow.connector.errors import ShopUnavailable

OLDEST_VERSION = (1, 7, 8)
"""Before it there was no PATCH (platforms.md §2.1)."""
TRIED = "8.1.2"
MOST_SKEW_SECONDS = 120
MAIL_OFF = "3"
FAILURES = (ShopUnavailable, Refusal, Busy, Lost, Unreadable)

NEEDED = {
    "addresses": "GET POST DELETE",
    "carriers": "GET",
    "carts": "GET POST DELETE",
    "combinations": "GET",
    "configurations": "GET",
    "countries": "GET",
    "currencies": "GET",
    "customers": "GET POST PATCH",
    "order_carriers": "GET PATCH",
    "order_histories": "POST",
    "order_slip": "GET POST",
    "order_states": "GET",
    "orders": "GET POST PATCH",
    "products": "GET",
    "specific_prices": "GET POST DELETE",
    "states": "GET",
    "stock_availables": "GET PATCH",
    "tax_rules": "GET",
    "taxes": "GET",
}
"""The least rights of the key. docs/adapters/prestashop.md has the same table."""


class Health:
    def __init__(
        self,
        shop: Webservice,
        settings: PrestaShopSettings,
        profiles: Profiles,
        clock: Callable[[], datetime],
        *,
        has_secret: bool,
    ) -> None:
        self._shop, self._settings, self._profiles = shop, settings, profiles
        self._clock, self._has_secret = clock, has_secret

    def check(self, deadline: Deadline) -> list[Finding]:
        try:
            answer = self._shop.document("", deadline)
            methods = rights(answer.content)
        except FAILURES as error:
            return [_failed("reachable", error)]
        version = answer.headers.get("PSWS-Version", "unknown")
        found = [
            Finding("reachable", True, f"{self._settings.url} answers, and takes the key."),
            _version(version),
            self._clock_finding(when(answer)),
            *_rights(methods),
        ]
        self._profiles.forget()
        try:
            profile = self._profiles.get(deadline)
        except FAILURES as error:
            return [*found, _failed("settings", error)]
        return [*found, *self._settings_findings(profile), self.webhook()]

    def webhook(self, url: str = "") -> Finding:
        """PrestaShop sends none by itself; a module may (docs/adapters/prestashop.md)."""
        if not self._has_secret:
            return Finding(
                "webhook", True, "Shipments are polled; no `webhook_secrets` is set for a module to sign with."
            )
        where = url or "the address that `lengow-connector shop connect` names"
        sentence = f"Shipments are polled; a module may send them at once, signed with the first secret, to {where}."
        return Finding("webhook", True, sentence)

    def _clock_finding(self, at: datetime) -> Finding:
        skew = (at - self._clock()).total_seconds()
        good = abs(skew) <= MOST_SKEW_SECONDS
        advice = "" if good else "Set the clocks of both machines by NTP."
        return Finding("clock", good, f"The shop's clock differs by {skew:.0f} s.", advice)

    def _settings_findings(self, profile: Profile) -> Iterator[Finding]:
        currencies = ", ".join(sorted(profile.currencies)) or "none"
        yield Finding(
            "currency",
            bool(profile.currencies),
            f"The shop sells in {currencies}.",
            "" if profile.currencies else "Add a currency at International > Localization.",
        )
        for reference in dict.fromkeys((self._settings.carrier, *self._settings.carriers_of_methods.values())):
            yield _carrier(profile, reference)
        yield from self._states(profile)
        yield _mail(profile, self._settings.email_domain)

    def _states(self, profile: Profile) -> Iterator[Finding]:
        settings, shipping = self._settings, profile.number("PS_OS_SHIPPING")
        for name, id_ in (
            ("order_state", settings.order_state or profile.first_state),
            ("shipped_state", settings.shipped_state or shipping),
            ("marketplace_state", settings.marketplace_state or settings.shipped_state or shipping),
        ):
            state = profile.states.get(id_)
            good = state is not None and state.shipped == (name != "order_state")
            told = f"{state.name!r} ({id_})" if state else f"{id_}, which the shop does not have"
            kind = "that counts as not shipped" if name == "order_state" else "with 'Set the order as shipped'"
            yield Finding(
                "states",
                good,
                f"{name} is {told}.",
                ""
                if good
                else f"Set `{name}` to the id of a state {kind} (Shop Parameters > Order Settings > Statuses).",
            )


def _version(version: str) -> Finding:
    good = tuple(int(part) for part in version.split(".") if part.isdigit()) >= OLDEST_VERSION
    advice = "" if good else "Update PrestaShop: before 1.7.8 its webservice cannot change a part of an order."
    return Finding("version", good, f"PrestaShop {version}; the connector was built against {TRIED}.", advice)


def _rights(methods: dict[str, frozenset[str]]) -> Iterator[Finding]:
    """Reading and writing apart, for each resource that lacks something; one finding when none does."""
    lacking = {
        resource: [method for method in needed.split() if method not in methods.get(resource, frozenset())]
        for resource, needed in NEEDED.items()
    }
    if not any(lacking.values()):
        yield Finding("rights", True, f"The key may read and write what it needs of {len(NEEDED)} resources.")
    for resource, missing in lacking.items():
        for what, of_kind in (("read", ["GET"]), ("write", ["POST", "PATCH", "DELETE"])):
            wanted = [method for method in missing if method in of_kind]
            if wanted:
                yield Finding(
                    f"may {what} {resource}", False, f"The key lacks {', '.join(wanted)} of {resource}.", RIGHTS
                )


def _carrier(profile: Profile, reference: int) -> Finding:
    carrier = profile.carrier(reference)
    if carrier is None or not carrier.active:
        sentence = f"The shop has no active carrier with the id_reference {reference}."
        return Finding("carrier", False, sentence, "Set `carrier` to the id_reference of an active, free carrier.")
    if not carrier.free:
        sentence = f"The carrier {carrier.name!r} is not free, so that carts would cost more than was sold."
        advice = "Tick 'Free shipping' at Shipping > Carriers; what the buyer paid is put into the order all the same."
        return Finding("carrier", False, sentence, advice)
    return Finding(
        "carrier", True, f"Orders get the carrier {carrier.name!r}; it must serve every zone that is sold to."
    )


def _mail(profile: Profile, domain: str) -> Finding:
    if profile.configuration.get("PS_MAIL_METHOD") == MAIL_OFF:
        return Finding("mail", True, "The shop sends no mails.")
    state = profile.states.get(profile.first_state)
    if domain.endswith(".invalid") or (state and not state.sends_mail):
        return Finding(
            "mail",
            True,
            f"The shop sends mails for each order; ours go to addresses at {domain}, never to the buyer.",
        )
    return Finding(
        "mail",
        False,
        f"The shop sends mails for each order; ours go to addresses at {domain}, and come to whoever reads them there.",
        "Leave `email_domain` out, or see that nobody answers there.",
    )


def _failed(what: str, error: Exception) -> Finding:
    if isinstance(error, Refusal):
        return Finding(what, False, f"{error}.", remedy_of(error).what_to_do)
    what_to_do = (
        error.what_to_do if isinstance(error, ShopUnavailable) else "Check `url`; look at the shop's error log."
    )
    return Finding(what, False, f"{error}", what_to_do)
