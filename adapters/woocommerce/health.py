"""What a person who sets the shop up must know, and the webhook that the connector registers for itself."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Busy, Deadline, Lost
from lengow.adapters.woocommerce.api import Refusal, Shop
from lengow.adapters.woocommerce.profile import Profile, Profiles, numbers_of
from lengow.adapters.woocommerce.refusals import remedy_of
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.connector.adapter import Finding
from lengow.connector.errors import ShopUnavailable
from lengow.connector.secret import Secret

log = logging.getLogger("lengow.adapters.woocommerce")

LOOK_SECONDS = 3600.0
OLDEST_VERSION = (8, 2)
"""The oldest that was tried."""
MOST_SKEW_SECONDS = 120
TOPIC = "order.updated"
NO_SUCH_ORDER = "orders/999999999999"
INVALID_ID = "woocommerce_rest_shop_order_invalid_id"
UNSAFE_IN_SECRET = set("&<>\"'")
"""WooCommerce stores these as HTML entities (reference platforms.md §1.7)."""
FAILURES = (ShopUnavailable, Refusal, Busy, Lost)


class Health:
    def __init__(
        self,
        shop: Shop,
        name: str,
        settings: WooCommerceSettings,
        secrets: Sequence[Secret],
        profiles: Profiles,
        clock: Callable[[], datetime],
    ) -> None:
        self._shop, self._name, self._settings = shop, name, settings
        self._secrets, self._profiles, self._clock = secrets, profiles, clock
        self._look_again = 0.0

    def check(self, deadline: Deadline) -> list[Finding]:
        reached = self._reached(deadline)
        if not reached[-1].ok:
            return reached
        return [
            *reached,
            self._may("read orders", lambda: self._shop.get("orders", deadline, per_page=1, _fields="id")),
            self._may("read products", lambda: self._shop.get("products", deadline, per_page=1, _fields="id")),
            self._may("write orders", lambda: self._shop.put(NO_SUCH_ORDER, {"customer_note": ""}, deadline)),
            *self._settings_findings(deadline),
            self._webhook(deadline),
        ]

    def connect(self, url: str, deadline: Deadline) -> list[Finding]:
        """One active webhook to `url`. A disabled one is made anew: its count of failures is never reset."""
        if not self._secrets:
            return [_no_secret()]
        secret = self._secrets[0].reveal()
        if UNSAFE_IN_SECRET & set(secret):
            sentence = "The first of `webhook_secrets` holds one of & < > \" ', which WooCommerce changes."
            return [Finding("webhook", False, sentence, "Choose a secret of letters and digits.")]
        body = {"name": f"Lengow connector ({self._name})", "topic": TOPIC, "delivery_url": url, "status": "active"}
        try:
            for hook in self._hooks(deadline):
                if hook.get("delivery_url") != url:
                    continue
                if hook.get("status") == "active":
                    self._shop.put(f"webhooks/{hook.whole('id')}", {"secret": secret}, deadline)
                    return [Finding("webhook", True, f"The webhook {hook.whole('id')} to {url} is active.")]
                self._shop.delete(f"webhooks/{hook.whole('id')}", deadline, force="true")
            made = self._shop.post("webhooks", {**body, "secret": secret}, deadline).entry.whole("id")
        except FAILURES as error:
            return [_failed("webhook", error)]
        return [Finding("webhook", True, f"The webhook {made} to {url} was created.")]

    def keep_connected(self, deadline: Deadline) -> None:
        """Set the webhook to `webhook_url` up again, where the shop has lost or disabled it; looked at once an hour."""
        url = self._settings.webhook_url
        if not url or not self._secrets or time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + LOOK_SECONDS
        try:
            kept = any(hook.get("status") == "active" for hook in self._hooks(deadline) if self._is_ours(hook))
        except FAILURES as error:
            log.warning("the webhook could not be looked at", extra={"shop": self._name, "error": str(error)})
            return
        for finding in () if kept else self.connect(url, deadline):
            log.warning("the webhook was gone", extra={"shop": self._name, "ok": finding.ok, "now": finding.sentence})

    def _reached(self, deadline: Deadline) -> list[Finding]:
        """Reachability, credentials, version and clock, from one request."""
        try:
            answer = self._shop.get("system_status", deadline, _fields="environment.version,environment.wp_version")
            environment = answer.entry.entry("environment")
            version, wordpress = (environment.text(name, "unknown") for name in ("version", "wp_version"))
        except FAILURES as error:
            return [_failed("reachable", error)]
        skew = (answer.at - self._clock()).total_seconds()
        good = numbers_of(version) >= OLDEST_VERSION
        return [
            Finding("reachable", True, f"{self._settings.url} answers, and takes the key."),
            Finding(
                "version",
                good,
                f"WooCommerce {version}, WordPress {wordpress}.",
                "" if good else "Update WooCommerce; 8.2 is the oldest that was tried.",
            ),
            Finding(
                "clock",
                abs(skew) <= MOST_SKEW_SECONDS,
                f"The shop's clock differs by {skew:.0f} s.",
                "" if abs(skew) <= MOST_SKEW_SECONDS else "Set the clocks of both machines by NTP.",
            ),
            Finding("credentials", True, "The key may read the system status."),
        ]

    def _may(self, what: str, ask: Callable[[], object]) -> Finding:
        """A write is asked of an order that does not exist: with the right to it, the shop finds none."""
        try:
            ask()
        except Refusal as refusal:
            if refusal.code != INVALID_ID:
                return _failed(f"may {what}", refusal)
        except FAILURES as error:
            return _failed(f"may {what}", error)
        return Finding(f"may {what}", True, f"The key may {what}.")

    def _settings_findings(self, deadline: Deadline) -> list[Finding]:
        self._profiles.forget()
        try:
            profile = self._profiles.get(deadline)
        except FAILURES as error:
            return [_failed("settings", error)]
        return [_currency(profile), _taxes(profile, self._settings), _storage(profile)]

    def _webhook(self, deadline: Deadline) -> Finding:
        if not self._secrets:
            return _no_secret()
        try:
            ours = [hook for hook in self._hooks(deadline) if self._is_ours(hook)]
        except FAILURES as error:
            return _failed("webhook", error)
        connect = f"Run: lengow-connector shop connect {self._name}"
        if not ours:
            return Finding("webhook", False, f"The shop has no webhook {TOPIC} to the connector.", connect)
        active = [hook for hook in ours if hook.get("status") == "active"]
        if not active:
            status = ours[0].get("status")
            sentence = f"The webhook {ours[0].get('id')} is {status}: WooCommerce ends it after 7 failures in a row."
            return Finding("webhook", False, sentence, f"See that the connector can be reached, then: {connect[5:]}")
        return Finding("webhook", True, f"The webhook {active[0].get('id')} is active.")

    def _is_ours(self, hook: Entry) -> bool:
        url = str(hook.get("delivery_url", ""))
        if self._settings.webhook_url:
            return url == self._settings.webhook_url
        return url.rstrip("/").endswith(f"/webhooks/{self._name}")

    def _hooks(self, deadline: Deadline) -> list[Entry]:
        return [hook for page in self._shop.pages("webhooks", deadline) for hook in page if hook.get("topic") == TOPIC]


def _currency(profile: Profile) -> Finding:
    decimals = profile.taxes.decimals
    return Finding(
        "currency",
        decimals >= 2,
        f"The shop sells in {profile.currency} with {decimals} decimals; orders keep their own currency.",
        "" if decimals >= 2 else "Raise 'Number of decimals' to 2 at WooCommerce > Settings > General.",
    )


def _taxes(profile: Profile, settings: WooCommerceSettings) -> Finding:
    if settings.taxes == "exempt":
        sentence = "Orders are made without VAT, by the setting taxes = exempt."
    elif profile.taxes.enabled:
        sentence = f"VAT is split off by the shop's {len(profile.taxes.rates)} tax rates."
    else:
        sentence = "The shop calculates no taxes."
    good = settings.taxes == "exempt" or not profile.taxes.enabled or bool(profile.taxes.rates)
    return Finding("taxes", good, sentence, "" if good else "Add tax rates at WooCommerce > Settings > Tax.")


def _storage(profile: Profile) -> Finding:
    how = "searched by reference" if profile.searches_transaction_id else "listed over 30 days to find a reference"
    kind = "tables of their own (HPOS)" if profile.hpos else "posts (legacy)"
    return Finding("order storage", True, f"Orders are kept in {kind} and {how}.")


def _no_secret() -> Finding:
    return Finding("webhook", False, "No `webhook_secrets` is set.", "Set one: letters and digits, at least 32.")


def _failed(what: str, error: Exception) -> Finding:
    if isinstance(error, Refusal):
        return Finding(what, False, f"{error}.", remedy_of(error).what_to_do)
    what_to_do = error.what_to_do if isinstance(error, ShopUnavailable) else "Try again; look at the shop's error log."
    return Finding(what, False, f"{error}", what_to_do)
