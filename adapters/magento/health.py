"""What a person who sets the shop up must know."""

from collections.abc import Callable, Iterator
from datetime import datetime

from lengow.adapters.calls import Busy, Deadline, Lost
from lengow.adapters.magento.api import Api, Refusal
from lengow.adapters.magento.facts import READS, UNAUTHORIZED, WRITES
from lengow.adapters.magento.profile import Profiles
from lengow.adapters.magento.refusals import remedy_of
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.outcomes import Problem
from lengow.connector.adapter import Finding
from lengow.connector.errors import ShopUnavailable

MOST_SKEW_SECONDS = 120
FAILURES = (ShopUnavailable, Refusal, Busy, Lost, Problem)
TRIED = "2.4"
FORBIDDEN = (401, 403)


class Health:
    def __init__(
        self,
        api: Api,
        settings: MagentoSettings,
        profiles: Profiles,
        clock: Callable[[], datetime],
        *,
        has_secret: bool,
    ) -> None:
        self._api, self._settings, self._profiles = api, settings, profiles
        self._clock, self._has_secret = clock, has_secret

    def check(self, deadline: Deadline) -> list[Finding]:
        reached = list(self._reached(deadline))
        if not reached[-1].ok:
            return reached
        rights = [self._readable(deadline), self._writable(deadline)]
        if not rights[0].ok:
            return [*reached, *rights]
        return [*reached, *rights, *self._settings_findings(deadline), self.webhook()]

    def webhook(self, url: str = "") -> Finding:
        """Open Source sends none by itself; a module may (docs/adapters/magento.md)."""
        if not self._has_secret:
            sentence = "Shipments are polled; no `webhook_secrets` is set for a module to sign with."
            return Finding("webhook", True, sentence)
        where = url or "the address that `lengow-connector shop connect` names"
        sentence = f"Shipments are polled; a module may send them at once, signed with the first secret, to {where}."
        return Finding("webhook", True, sentence)

    def _reached(self, deadline: Deadline) -> Iterator[Finding]:
        """Version, clock and credentials; the last one tells whether to go on."""
        try:
            answer = self._api.version(deadline)
            version = " ".join(answer.text[:60].split())
        except ShopUnavailable as error:
            yield _failed("reachable", error)
            return
        except Refusal:
            version, answer = "", None  # many hosts hide it
        yield Finding("reachable", True, f"{self._settings.url} answers.")
        good = TRIED in version or not version
        told = f"{version}; the connector was built against {TRIED}." if version else "The shop hides its version."
        yield Finding("version", good, told, "" if good else f"Update Magento to {TRIED}.")
        if answer is not None and answer.at is not None:
            skew = (answer.at - self._clock()).total_seconds()
            near = abs(skew) <= MOST_SKEW_SECONDS
            advice = "" if near else "Set the clocks of both machines by NTP."
            yield Finding("clock", near, f"The shop's clock differs by {skew:.0f} s.", advice)
        try:
            self._api.ask("store/storeConfigs", deadline)
        except FAILURES as error:
            yield _failed("credentials", error)
            return
        yield Finding("credentials", True, "The integration's token is taken.")

    def _readable(self, deadline: Deadline) -> Finding:
        missing = []
        for path, resource in READS.items():
            try:
                self._api.ask(path, deadline, **{"searchCriteria[pageSize]": "1"})
            except Refusal as refusal:
                if refusal.status not in FORBIDDEN:
                    return _failed("may read", refusal)
                missing.append(resource)
            except FAILURES as error:
                return _failed("may read", error)
        return _rights("may read", missing, len(READS))

    def _writable(self, deadline: Deadline) -> Finding:
        """By posts that can only be refused: Magento looks at rights before it looks at the body."""
        missing = []
        for path, resource in WRITES.items():
            try:
                self._api.send("POST", path, {}, deadline)
            except Refusal as refusal:
                if refusal.status in FORBIDDEN or UNAUTHORIZED in str(refusal):
                    missing.append(resource)
            except FAILURES as error:
                return _failed("may write", error)
        return _rights("may write", missing, len(WRITES))

    def _settings_findings(self, deadline: Deadline) -> Iterator[Finding]:
        self._profiles.forget()
        try:
            profile = self._profiles.get(deadline)
        except FAILURES as error:
            yield _failed("settings", error)
            return
        yield Finding("store view", True, f"Orders go to {self._settings.store!r} ({profile.store_id}).")
        yield Finding("currency", True, f"Orders are taken in {profile.currency}; those in others fail.")
        if self._settings.taxes == "exempt":
            yield Finding("taxes", True, "Orders are made without VAT, by the setting taxes = exempt.")
        else:
            good = bool(profile.rates)
            advice = "" if good else "Add tax rules at Stores > Tax Rules, or set `taxes` to exempt."
            yield Finding(
                "taxes", good, f"VAT is split off by {len(profile.rates)} rates of the shop's tax rules.", advice
            )


def _rights(what: str, missing: list[str], count: int) -> Finding:
    if missing:
        advice = "Tick them for the integration, and activate it again; the page on Magento lists them all."
        return Finding(what, False, f"The integration lacks {', '.join(dict.fromkeys(missing))}.", advice)
    return Finding(what, True, f"The integration has all {count} rights that are needed.")


def _failed(what: str, error: Exception) -> Finding:
    if isinstance(error, Refusal):
        return Finding(what, False, f"{error}.", remedy_of(error).what_to_do)
    if isinstance(error, Problem):
        return Finding(what, False, f"{error}", "Correct the setting, then check again.")
    what_to_do = error.what_to_do if isinstance(error, ShopUnavailable) else ""
    return Finding(what, False, f"{error}", what_to_do or "Try again; look at the shop's error log.")
