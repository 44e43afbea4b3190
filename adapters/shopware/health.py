"""What a person who sets the shop up must know, and the app's webhooks, which Shopware ends after failures (§4.7)."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Busy, Deadline, Lost
from lengow.adapters.outcomes import Problem
from lengow.adapters.shopware.api import Api, Refusal
from lengow.adapters.shopware.body import SOURCE
from lengow.adapters.shopware.facts import EVENTS, MACHINES, OLDEST_VERSION, PRIVILEGES
from lengow.adapters.shopware.profile import Profile, Profiles
from lengow.adapters.shopware.refusals import remedy_of
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.connector.adapter import Finding
from lengow.connector.errors import ShopUnavailable
from lengow.connector.secret import Secret

log = logging.getLogger("lengow.adapters.shopware")

LOOK_SECONDS = 3600.0
MOST_SKEW_SECONDS = 120
FAILURES = (ShopUnavailable, Refusal, Busy, Lost, Problem)
NEEDED_STATES = {
    "order": ("open", "in_progress", "completed", "cancelled"),
    "order_delivery": ("open", "shipped", "cancelled"),
    "order_transaction": ("paid", "refunded", "refunded_partially"),
}
INSTALL = "Install the app of docs/adapters/shopware.md, whose webhooks go to this address."


class Health:
    def __init__(
        self,
        api: Api,
        name: str,
        settings: ShopwareSettings,
        secrets: Sequence[Secret],
        profiles: Profiles,
        clock: Callable[[], datetime],
    ) -> None:
        self._api, self._name, self._settings = api, name, settings
        self._secrets, self._profiles, self._clock = secrets, profiles, clock
        self._look_again = 0.0

    def check(self, deadline: Deadline) -> list[Finding]:
        reached = self._reached(deadline)
        if not reached[-1].ok:
            return reached
        readable = self._readable(deadline)
        if not readable.ok:
            return [*reached, readable]
        return [
            *reached,
            readable,
            self._writable(deadline),
            *self._settings_findings(deadline),
            self._webhook(deadline),
        ]

    def connect(self, url: str, deadline: Deadline) -> list[Finding]:
        """Makes the app's webhooks to `url` active again. The app itself is installed by a person.

        A webhook that the API makes belongs to no app, and is not signed.
        """
        if not self._secrets:
            return [_no_secret()]
        try:
            hooks = self._hooks(url, deadline)
            missing = [event for event in EVENTS if event not in [hook.get("eventName") for hook in hooks]]
            if missing:
                return [Finding("webhook", False, f"No app sends {', '.join(missing)} to {url}.", INSTALL)]
            off = [{"id": hook.text("id"), "active": True} for hook in hooks if not hook.get("active")]
            if off:
                self._api.sync({"webhooks": ("webhook", off)}, deadline)
        except FAILURES as error:
            return [_failed("webhook", error)]
        again = f"; {len(off)} of them had been switched off" if off else ""
        return [Finding("webhook", True, f"The app's {len(hooks)} webhooks to {url} are active{again}.")]

    def keep_connected(self, deadline: Deadline) -> None:
        """Switch the webhooks to `webhook_url` on again, where the shop has ended them; looked at once an hour."""
        url = self._settings.webhook_url
        if not url or not self._secrets or time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + LOOK_SECONDS
        for finding in self.connect(url, deadline):
            if not finding.ok or "switched off" in finding.sentence:
                log.warning("the webhooks were off", extra={"shop": self._name, "now": finding.sentence})

    def _reached(self, deadline: Deadline) -> list[Finding]:
        """Reachability, credentials, version and clock, from one request."""
        try:
            answer = self._api.get("_info/version", deadline)
        except FAILURES as error:
            return [_failed("reachable", error)]
        version = str(answer.value.get("version", "unknown")) if isinstance(answer.value, dict) else "unknown"
        numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
        skew = (answer.at - self._clock()).total_seconds()
        good, near = numbers >= OLDEST_VERSION, abs(skew) <= MOST_SKEW_SECONDS
        return [
            Finding("reachable", True, f"{self._settings.url} answers."),
            Finding("version", good, f"Shopware {version}.", "" if good else "Update Shopware to 6.5.5 or newer."),
            Finding(
                "clock",
                near,
                f"The shop's clock differs by {skew:.0f} s.",
                "" if near else "Set the clocks of both machines by NTP.",
            ),
            Finding("credentials", True, "The integration's key is taken."),
        ]

    def _readable(self, deadline: Deadline) -> Finding:
        entities = [entity for entity, rights in PRIVILEGES.items() if "read" in rights]
        missing: list[str] = []
        for entity in entities:
            try:
                self._api.search(entity, {"limit": 1}, deadline)
            except Refusal as refusal:
                if refusal.code != "FRAMEWORK__MISSING_PRIVILEGE_ERROR":
                    return _failed("may read", refusal)
                missing.append(f"{entity}:read")
            except FAILURES as error:
                return _failed("may read", error)
        if missing:
            sentence = f"The integration lacks the rights {', '.join(missing)}."
            return Finding(
                "may read", False, sentence, "Give its role these rights; the page on Shopware lists them all."
            )
        return Finding("may read", True, f"The integration may read all {len(entities)} kinds that are needed.")

    def _writable(self, deadline: Deadline) -> Finding:
        """Tried on an order of ours, with what it holds already; Shopware checks rights only when something is written."""
        criteria = {
            "limit": 1,
            "filter": [{"type": "equals", "field": "affiliateCode", "value": SOURCE}],
            "includes": {"order": ["id"]},
        }
        try:
            found = self._api.search("order", criteria, deadline)
            if found:
                self._api.sync({"order": ("order", [{"id": found[0].text("id"), "affiliateCode": SOURCE}])}, deadline)
        except FAILURES as error:
            return _failed("may write", error)
        if not found:
            return Finding(
                "may write", True, "Not tried yet: no order of the connector's is there. The first one will tell."
            )
        return Finding("may write", True, "The integration may write orders.")

    def _settings_findings(self, deadline: Deadline) -> list[Finding]:
        self._profiles.forget()
        try:
            profile = self._profiles.get(deadline)
        except FAILURES as error:
            return [_failed("settings", error)]
        return [
            Finding("sales channel", True, f"Orders go to {self._settings.sales_channel!r}."),
            _currencies(profile),
            _states(profile),
            _salutation(profile),
            self._taxes(profile),
        ]

    def _taxes(self, profile: Profile) -> Finding:
        if self._settings.taxes == "exempt":
            return Finding("taxes", True, "Orders are made without VAT, by the setting taxes = exempt.")
        good = bool(profile.taxes)
        sentence = f"VAT is split off by the shop's {len(profile.taxes)} tax rates and their rules."
        return Finding("taxes", good, sentence, "" if good else "Add tax rates at Settings > Tax.")

    def _webhook(self, deadline: Deadline) -> Finding:
        if not self._secrets:
            return _no_secret()
        try:
            hooks = self._hooks(self._settings.webhook_url, deadline)
        except FAILURES as error:
            return _failed("webhook", error)
        missing = [event for event in EVENTS if event not in [hook.get("eventName") for hook in hooks]]
        if missing:
            return Finding("webhook", False, f"No app sends {', '.join(missing)} to the connector.", INSTALL)
        off = [str(hook.get("eventName")) for hook in hooks if not hook.get("active")]
        if off:
            sentence = f"Switched off: {', '.join(off)}. Shopware ends a webhook after 10 events that were not taken."
            what_to_do = f"See that the connector can be reached, then run: lengow-connector shop connect {self._name}"
            return Finding("webhook", False, sentence, what_to_do)
        return Finding("webhook", True, f"{len(hooks)} webhooks of the app are active.")

    def _hooks(self, url: str, deadline: Deadline) -> list[Entry]:
        """An app's webhooks to `url`; where there is none set, to an address that ends as this shop's does."""
        ours = [hook for hook in self._api.search_all("webhook", {}, deadline) if hook.get("eventName") in EVENTS]
        if url:
            ours = [hook for hook in ours if hook.get("url") == url]
        else:
            ours = [hook for hook in ours if str(hook.get("url")).rstrip("/").endswith(f"/webhooks/{self._name}")]
        return [hook for hook in ours if hook.get("appId")]


def _currencies(profile: Profile) -> Finding:
    known = ", ".join(f"{code} ({one.decimals} decimals)" for code, one in sorted(profile.currencies.items()))
    good = all(one.decimals >= 2 for one in profile.currencies.values()) and bool(known)
    what_to_do = "" if good else "Set two decimals at Settings > Currencies."
    return Finding("currencies", good, f"Orders are taken in {known or 'no currency'}.", what_to_do)


def _states(profile: Profile) -> Finding:
    missing = [
        f"{MACHINES[entity]} {name}"
        for entity, names in NEEDED_STATES.items()
        for name in names
        if (MACHINES[entity], name) not in profile.states
    ]
    sentence = (
        f"States that are not there: {', '.join(missing)}." if missing else "All states that are needed are there."
    )
    return Finding("states", not missing, sentence, "Add them again as Shopware installs them." if missing else "")


def _salutation(profile: Profile) -> Finding:
    good = profile.salutation("not_specified") is not None
    sentence = "Buyers get a salutation." if good else "The shop has no salutation, which older versions need."
    return Finding("salutations", good, sentence, "" if good else "Add one at Settings > Salutations.")


def _no_secret() -> Finding:
    return Finding("webhook", False, "No `webhook_secrets` is set.", "Set the shop secret of the app's registration.")


def _failed(what: str, error: Exception) -> Finding:
    if isinstance(error, Refusal):
        return Finding(what, False, f"{error}.", remedy_of(error).what_to_do)
    if isinstance(error, Problem):
        return Finding(what, False, f"{error}", "Correct the setting, then check again.")
    what_to_do = error.what_to_do if isinstance(error, ShopUnavailable) else "Try again; look at the shop's error log."
    return Finding(what, False, f"{error}", what_to_do)
