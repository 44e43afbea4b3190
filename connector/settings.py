"""What is configured: accounts, shops, toggles, store. From one TOML file, or built in code with the same names.

Every mistake is a SettingsError that names the file, the key, and what to write instead.
"""

import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from lengow.connector.adapter import Adapter, adapter_class
from lengow.connector.errors import SettingsError, ToggleUnsupported
from lengow.connector.mail import Mail, check_mail, is_address, is_loopback
from lengow.connector.secret import NoSecret, Secret, read_secret, without_password

DEFAULT_PATH = "lengow.toml"
PATH_VARIABLE = "LENGOW_CONFIG"
DEFAULT_BASE_URL = "https://api.lengow.io"

IMPORT_SHIPPED_BY_MARKETPLACE = "import_orders_shipped_by_marketplaces"
DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED = "decrease_stock_for_marketplace_shipped"
TOGGLES = (IMPORT_SHIPPED_BY_MARKETPLACE, DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED)

RANGES = {
    "requests_per_minute": (0, 100_000),
    "sync_every_minutes": (0, 7 * 24 * 60),
    "daily_sync_days": (1, 365),
    "first_sync_days": (0, 3650),
    "overlap_minutes": (0, 30 * 24 * 60),
    "action_stuck_after_hours": (0, 3650),
    "deadline_near_hours": (0, 3650),
    "catch_up_days": (0, 3650),
    "call_timeout": (0, 3600),
    "poll_every_minutes": (0, 1440),
    "lease_seconds": (0, 24 * 3600),
    "workers": (1, 64),
    "port": (0, 65_535),
    "timeout": (0, 60),
    "every_minutes": (60, 7 * 24 * 60),
    "keep_personal_data_days": (0, 3650),
}
"""The least and the most that a number may be."""

ABOVE = frozenset({"sync_every_minutes", "call_timeout", "poll_every_minutes", "lease_seconds", "timeout"})
"""Those that must be more than the least."""

SECTIONS = ("feeds", "invoices", "console")
"""Tables of the settings file that other packages than the connector read, each by itself."""

ACTIONS = ("accept", "refuse", "ship", "cancel", "refund")
"""What a marketplace can be told (reference lengow.md §4.1)."""

T = TypeVar("T", bound=msgspec.Struct)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told what waits for a person, when there is something new."""

    to: tuple[str, ...] = ()
    """Mail addresses; none: only the signal `digest_due` tells."""
    language: Literal["en", "fr"] = "en"
    every_minutes: float = 60
    """How often there may be a digest."""


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One Lengow account. `access_token` and `secret` are given as text, `env:NAME` or `file:PATH`."""

    access_token: Secret
    secret: Secret
    base_url: str = DEFAULT_BASE_URL
    requests_per_minute: int = 500
    """Lengow's quota per route; 0 turns the limiter off (only for a sandbox)."""
    sync_every_minutes: float = 15
    daily_sync_at: time = time(3, 0)
    """UTC. The daily round re-reads the last `daily_sync_days`."""
    daily_sync_days: int = 3
    first_sync_days: int = 3
    """How far back the very first sync looks."""
    overlap_minutes: float = 120
    """How far each window reaches back behind the end of the last complete one."""
    action_stuck_after_hours: float = 24
    """How long a marketplace may take to answer to an action before it is shown as stuck."""
    deadline_near_hours: float = 24
    """How long before its shipping deadline an order that is not shipped is told of."""
    digest: Digest | None = None
    """None: there is no digest."""


FollowVerdict = Literal["apply", "ask", "ignore"]


class Follow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What becomes of a change at Lengow to an order that is in the shop: brought there, put to a person, or ignored.

    Money is put to a person: what was given back, or costs another amount, may have been booked by hand already.
    """

    cancelled: FollowVerdict = "apply"
    """Not to be delivered any more, before the shop shipped it."""
    lines: FollowVerdict = "apply"
    """Some lines are not to be delivered any more."""
    refunded: FollowVerdict = "ask"
    """Given back, in whole or in part, by the marketplace or in its back office."""
    shipped: FollowVerdict = "apply"
    """Shipped by the marketplace, or told to it without the shop."""
    address: FollowVerdict = "apply"
    """Billing or delivery address corrected before shipment."""
    amounts: FollowVerdict = "ask"
    """Pieces, line amounts, shipping or fee amended."""


class Shop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One configured destination. The platform's own keys stand beside these in the file, and in `options` here."""

    account: str
    platform: str
    marketplaces: tuple[str, ...] | None = None
    """Which of the account's marketplaces come here; None: all."""
    catalogues: tuple[int, ...] | None = None
    """Which of the account's catalogues (Lengow's feed ids) come here; None: all."""
    import_orders_shipped_by_marketplaces: bool = False
    decrease_stock_for_marketplace_shipped: bool = False
    unknown_products: Literal["hold", "import"] = "hold"
    """What becomes of an order with a product that the shop does not know: wait for it, or import a free line."""
    import_orders_with_merchant_order_id: bool = False
    """Import orders that already carry a merchant order id which is not ours (another system has them)."""
    start_date: date | None = None
    """Orders from before this day (UTC) are skipped."""
    catch_up_days: int = 30
    """How old an order may be that a toggle, switched on later, still brings in."""
    webhook_secrets: tuple[Secret, ...] = ()
    carriers: Mapping[str, str | Mapping[str, str]] = {}
    """From the shop's carrier code to the marketplace's; in a table of a marketplace's name, for that one only."""
    unmapped_carriers: Literal["other", "hold"] = "other"
    """What becomes of a shipment whose carrier is none of the marketplace's: told as the marketplace's carrier for any
    other, with name and tracking URL, or held for a person."""
    tracking_urls: Mapping[str, str] = {}
    """From the shop's carrier code or name to its tracking page, with `{number}` in it; used where the shop gives no
    URL."""
    action_arguments: Mapping[str, Mapping[str, str]] = {}
    """From an action to arguments that go with it when the shop's event asks for it, such as a refund's reason."""
    call_timeout: float = 30
    """Seconds one call to the shop may take."""
    workers: int = 4
    """How many of `lengow-connector worker` may create orders in this shop at once, on all machines together."""
    poll_every_minutes: float = 5
    """How often the shop is asked for shipments that no webhook told, where the platform can be asked."""
    follow: Follow = Follow()
    options: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        """Without the values of `options`, which may be secrets of the platform."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        fields["options"] = dict.fromkeys(self.options, "…")
        return f"Shop({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    def carriers_for(self, marketplace: str) -> dict[str, str]:
        """The shop's carrier codes that are mapped to this marketplace's."""
        general = {code: mapped for code, mapped in self.carriers.items() if isinstance(mapped, str)}
        special = self.carriers.get(marketplace, {})
        return general | ({} if isinstance(special, str) else dict(special))

    def takes(self, marketplace: str, catalogues: tuple[int, ...]) -> bool:
        """Whether an order from this marketplace and these catalogues comes to this shop."""
        if self.marketplaces is not None and marketplace.lower() not in {one.lower() for one in self.marketplaces}:
            return False
        return self.catalogues is None or bool(set(self.catalogues) & set(catalogues))

    @property
    def starts_at(self) -> datetime | None:
        return datetime.combine(self.start_date, time(0), UTC) if self.start_date else None


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = "sqlite:///lengow.db"
    """`sqlite:///PATH` or `postgresql://…`, or `env:NAME` or `file:PATH` that holds it."""
    lease_seconds: float = 120
    """How long a worker may hold a step before another takes it over; longer than any call to a shop."""
    keep_personal_data_days: float = 180
    """When a buyer's data is erased after the last change of his order; 0: never."""

    def __repr__(self) -> str:
        """Without the password of the URL."""
        return (
            f"Store(url={without_password(self.url)!r}, lease_seconds={self.lease_seconds!r},"
            f" keep_personal_data_days={self.keep_personal_data_days!r})"
        )


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Secret | None = None
    """What Prometheus sends as its bearer token; None: only this machine may read /metrics."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. `Settings.load(path)` reads the file; `Settings(...)` takes the same in code."""

    accounts: Mapping[str, Account]
    shops: Mapping[str, Shop]
    store: Store = Store()
    mail: Mail | None = None
    """None: no mail is sent."""
    metrics: Metrics = Metrics()
    sections: Mapping[str, Mapping[str, Any]] = {}
    """The tables of `SECTIONS` as they stand in the file; their packages read them with `convert_table`."""
    base: Path = Path()
    """Where relative paths of those tables start: the folder of the settings file."""

    def __repr__(self) -> str:
        """Without the values of `sections`, which may be secrets."""
        return (
            f"Settings(accounts={self.accounts!r}, shops={self.shops!r}, store={self.store!r},"
            f" mail={self.mail!r}, metrics={self.metrics!r}, sections={sorted(self.sections)!r})"
        )

    def __post_init__(self) -> None:
        for name in (*self.accounts, *self.shops):
            if not NAME.fullmatch(name):
                raise SettingsError(f"The name {name!r} may hold only letters, digits, - and _.", field=name)
        _check_ranges("store", self.store)
        if self.mail:
            _check_ranges("mail", self.mail)
            check_mail(self.mail)
        for name, account in self.accounts.items():
            _check_ranges(f"accounts.{name}", account)
            _check_web_address(f"accounts.{name}.base_url", account.base_url)
            if account.digest:
                self._check_digest(f"accounts.{name}.digest", account.digest)
        for name, shop in self.shops.items():
            _check_ranges(f"shops.{name}", shop)
            self._check_shop(name, shop)
        self._check_accounts()
        self._check_overlaps()

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Read `path`, else the file named by $LENGOW_CONFIG, else ./lengow.toml."""
        import tomllib

        path = Path(path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise SettingsError(
                f"There is no settings file {path}.",
                what_to_do="Write one with `lengow-connector init`, or name yours with --config.",
            ) from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise SettingsError(
                f"{path}: {error}.", what_to_do="Correct the file; it must be TOML in UTF-8."
            ) from error
        try:
            return cls.from_dict(document, base=path.parent)
        except SettingsError as error:
            error.args = (f"{path}: {error}",)
            raise

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], *, base: Path | None = None) -> Self:
        """The settings of a parsed document. Relative SQLite paths are taken from `base`."""
        _refuse_unknown_keys(document, ("store", "mail", "metrics", "accounts", "shops", *SECTIONS), "")
        accounts = {name: _account(name, table) for name, table in _tables(document, "accounts").items()}
        shops = {name: _shop(name, table) for name, table in _tables(document, "shops").items()}
        store = _store(_table(document.get("store", {}), "store"))
        store = msgspec.structs.replace(store, url=_anchored(store.url, base))
        sections = {name: _table(document[name], name) for name in SECTIONS if name in document}
        metrics = convert_table(_table(document.get("metrics", {}), "metrics"), Metrics, "metrics")
        mail = convert_table(_table(document["mail"], "mail"), Mail, "mail") if "mail" in document else None
        return cls(
            accounts=accounts,
            shops=shops,
            store=store,
            mail=mail,
            metrics=metrics,
            sections=sections,
            base=base or Path(),
        )

    def shop_for(self, account: str, marketplace: str, catalogues: tuple[int, ...]) -> str | None:
        """The name of the one shop that takes such an order."""
        for name, shop in self.shops.items():
            if shop.account == account and shop.takes(marketplace, catalogues):
                return name
        return None

    def shops_of(self, account: str) -> list[str]:
        return [name for name, shop in self.shops.items() if shop.account == account]

    def _check_shop(self, name: str, shop: Shop) -> None:
        if shop.account not in self.accounts:
            known = ", ".join(sorted(self.accounts)) or "none"
            raise SettingsError(
                f"shops.{name}.account names {shop.account!r}, which is not among the accounts: {known}.",
                field=f"shops.{name}.account",
            )
        if shop.call_timeout > self.store.lease_seconds / 2:
            raise SettingsError(
                f"shops.{name}.call_timeout must be at most half of store.lease_seconds"
                f" ({self.store.lease_seconds:g}).",
                field=f"shops.{name}.call_timeout",
            )
        _check_chosen(name, shop)
        adapter = _adapter(name, shop.platform)
        platform_settings(name, shop, adapter)
        for toggle in TOGGLES:
            if getattr(shop, toggle):
                refuse_unsupported_toggle(name, adapter, toggle)

    def _check_digest(self, where: str, digest: Digest) -> None:
        _check_ranges(where, digest)
        if digest.to and self.mail is None:
            raise SettingsError(
                f"{where}.to names recipients, and there is no [mail].",
                what_to_do="Write [mail] with host and sender, or leave `to` out and listen to the signal digest_due.",
                field="mail",
            )
        for address in digest.to:
            if not is_address(address):
                raise SettingsError(
                    f"{where}.to has {address!r}, which is not a mail address.",
                    what_to_do='Write to = ["ops@shop.example"].',
                    field=f"{where}.to",
                )

    def _check_accounts(self) -> None:
        """One Lengow account under two names would bring each of its orders twice."""
        names: dict[tuple[str, Secret], str] = {}
        for name, account in self.accounts.items():
            other = names.setdefault((account.base_url.rstrip("/"), account.access_token), name)
            if other != name:
                raise SettingsError(
                    f"accounts.{name}.access_token is that of accounts.{other} too: each order would come twice.",
                    what_to_do=f"Leave one of them out; several shops may name the same account {other!r}.",
                    field=f"accounts.{name}.access_token",
                )

    def _check_overlaps(self) -> None:
        names = list(self.shops)
        for position, name in enumerate(names):
            for other in names[:position]:
                one, two = self.shops[name], self.shops[other]
                if one.account == two.account and _overlap(one, two):
                    raise SettingsError(
                        f"shops.{other} and shops.{name} would both take orders of the account {one.account!r}.",
                        what_to_do="Give each its own `marketplaces` or `catalogues`, so that no order fits two shops.",
                        field=f"shops.{name}.marketplaces",
                    )


def platform_settings(name: str, shop: Shop, adapter: type[Adapter]) -> msgspec.Struct:
    """The platform's own keys of a shop, checked against the adapter's `settings_type`."""
    own = {field.encode_name for field in msgspec.structs.fields(adapter.settings_type)}
    if shared := sorted(own & set(_SHOP_KEYS)):
        raise SettingsError(
            f"shops.{name}: the adapter {adapter.__module__}.{adapter.__qualname__} has settings of its own by names"
            f" that every shop has: {', '.join(shared)}.",
            what_to_do="Its author has to call them otherwise.",
            field=f"shops.{name}.platform",
        )
    _refuse_unknown_keys(shop.options, (*own, *_SHOP_KEYS), f"shops.{name}.")
    return convert_table(dict(shop.options), adapter.settings_type, f"shops.{name}")


def refuse_unsupported_toggle(shop: str, adapter: type[Adapter], toggle: str) -> None:
    """Raise ToggleUnsupported when the platform can never do what the toggle says."""
    capabilities = adapter.capabilities
    if toggle in TOGGLES and not capabilities.imports_delivered_by_marketplace:
        raise ToggleUnsupported(
            f"{toggle} cannot be turned on for the shop {shop!r}: {capabilities.delivered_by_marketplace_reason}",
            shop=shop,
            field=toggle,
        )


def _check_chosen(name: str, shop: Shop) -> None:
    """Raise SettingsError for what can never fit an order, or never be taken."""
    for key in ("marketplaces", "catalogues"):
        if getattr(shop, key) == ():
            raise SettingsError(
                f"shops.{name}.{key} is empty: no order would ever come to the shop.",
                what_to_do=f"Leave {key} out for all of them, or name those that come here.",
                field=f"shops.{name}.{key}",
            )
    for marketplace in shop.marketplaces or ():
        if not marketplace or marketplace != marketplace.strip():
            raise SettingsError(
                f"shops.{name}.marketplaces has {marketplace!r}, which is no marketplace's name.",
                what_to_do='Write Lengow\'s own key, such as "manomano_fr".',
                field=f"shops.{name}.marketplaces",
            )
    for action in shop.action_arguments:
        if action not in ACTIONS:
            _refuse_unknown_keys({action: ""}, ACTIONS, f"shops.{name}.action_arguments.")
    for carrier, template in shop.tracking_urls.items():
        if not _is_web_page(template):
            raise SettingsError(
                f"shops.{name}.tracking_urls.{carrier} is not a web address: {template!r}.",
                what_to_do='Write it with https:// and {number}, such as "https://track.example/{number}".',
                field=f"shops.{name}.tracking_urls",
            )


def _is_web_page(text: str) -> bool:
    try:
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:
        return False


def _adapter(shop: str, platform: str) -> type[Adapter]:
    try:
        return adapter_class(platform)
    except SettingsError as error:
        raise SettingsError(
            f"shops.{shop}.platform: {error}",
            what_to_do=error.what_to_do,
            field=f"shops.{shop}.platform",
        ) from None


def _check_ranges(where: str, table: msgspec.Struct) -> None:
    for name in table.__struct_fields__:
        if name not in RANGES:
            continue
        (least, most), value = RANGES[name], getattr(table, name)
        above = value > least if name in ABOVE else value >= least
        if not (above and value <= most):
            raise SettingsError(
                f"{where}.{name} must be {'>' if name in ABOVE else '>='} {least} and <= {most}; it is {value}.",
                field=f"{where}.{name}",
            )


def _check_web_address(where: str, text: str) -> None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is none
    except ValueError:
        parts = urlsplit("")
    if parts.username or parts.query or parts.fragment:
        raise SettingsError(
            f"{where} holds more than scheme, host and path: {without_password(text)!r}.",
            what_to_do="Leave out user, password and everything from ? on; the keys are access_token and secret.",
            field=where,
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"{where} is not a web address: {without_password(text)!r}.",
            what_to_do=f'Write it with https://, such as "{DEFAULT_BASE_URL}".',
            field=where,
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(
            f"{where} is not https: {without_password(text)!r}. The keys and buyers' data would travel in the open.",
            what_to_do="Write it with https://; plain http is for a sandbox on this machine only.",
            field=where,
        )


def _store(table: Mapping[str, Any]) -> Store:
    store = convert_table(table, Store, "store")
    try:
        return msgspec.structs.replace(store, url=read_secret(store.url).reveal())
    except NoSecret as error:
        raise SettingsError(f"store.url: {error}.", what_to_do=error.what_to_do, field="store.url") from None


def _account(name: str, table: Mapping[str, Any]) -> Account:
    where = f"accounts.{name}"
    _refuse_unknown_keys(table, Account.__struct_fields__, f"{where}.")
    for key in ("access_token", "secret"):
        if key not in table:
            raise SettingsError(f"{where}.{key} is missing.", what_to_do=f'Write {key} = "env:LENGOW_{key.upper()}".')
    return convert_table(table, Account, where)


def _shop(name: str, table: Mapping[str, Any]) -> Shop:
    ours = {key: value for key, value in table.items() if key in _SHOP_KEYS}
    options = {key: value for key, value in table.items() if key not in _SHOP_KEYS}
    for key in ("account", "platform"):
        if key not in ours:
            raise SettingsError(f"shops.{name}.{key} is missing.", field=f"shops.{name}.{key}")
    return convert_table({**ours, "options": options}, Shop, f"shops.{name}")


def _tables(document: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    tables = _table(document.get(key, {}), key)
    if not tables:
        raise SettingsError(f"There is no [{key}.NAME] in the settings.", field=key)
    return {name: _table(table, f"{key}.{name}") for name, table in tables.items()}


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where} must be a table: write [{where}].", field=where)
    return value


def _refuse_unknown_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            import difflib

            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(sorted(known))}."
            raise SettingsError(f"{where}{key} is not a setting.", what_to_do=hint, field=f"{where}{key}")


def convert_table(table: Mapping[str, Any], kind: type[T], where: str) -> T:
    """A table of the file as the struct `kind`; `where` names it in errors. Secrets are read. Raises SettingsError.

    Unknown keys are refused with the nearest known one where `kind` forbids them.
    """
    if kind.__struct_config__.forbid_unknown_fields:
        _refuse_unknown_keys(table, kind.__struct_encode_fields__, f"{where}.")

    def special(wanted: type, value: Any) -> Any:
        if wanted is Secret and isinstance(value, str | Secret):
            return read_secret(value) if isinstance(value, str) else value
        raise TypeError(f"Expected a text, got {type(value).__name__}")

    try:
        return msgspec.convert(table, kind, dec_hook=special)
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at `$")
        path = path.rstrip("`")
        key = f"{where}{path}"
        holder, name = _holder(kind, path)
        what_to_do = None
        if isinstance(error.__cause__, NoSecret):
            what_to_do = error.__cause__.what_to_do
        elif "enum value" in sentence:
            choices = get_args(get_type_hints(holder).get(name))
            what_to_do = f"Write one of: {', '.join(map(str, choices))}."
        elif "unknown field" in sentence:
            unknown = sentence.split("`")[1]
            _refuse_unknown_keys(
                {unknown: ""}, _holder(kind, f"{path}.{unknown}")[0].__struct_encode_fields__, f"{key}."
            )
        elif get_type_hints(holder).get(name) is time:
            what_to_do = f"Write it as {name} = 03:00:00, without quotation marks."
        raise SettingsError(f"{key}: {sentence}.", what_to_do=what_to_do, field=key) from None


def _holder(kind: type[msgspec.Struct], path: str) -> tuple[type[msgspec.Struct], str]:
    """The struct that a value of a message's path is a field of, and the field's name."""
    *tables, name = path.lstrip(".").split(".")
    for table in tables:
        hint = get_type_hints(kind).get(table)
        inner = next((one for one in (hint, *get_args(hint)) if isinstance(one, type)), None)
        if inner is None or not issubclass(inner, msgspec.Struct):
            break
        kind = inner
    return kind, name


def _overlap(one: Shop, two: Shop) -> bool:
    def meet(left: tuple[Any, ...] | None, right: tuple[Any, ...] | None) -> bool:
        return left is None or right is None or bool(set(map(_folded, left)) & set(map(_folded, right)))

    return meet(one.marketplaces, two.marketplaces) and meet(one.catalogues, two.catalogues)


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _anchored(url: str, base: Path | None) -> str:
    scheme, found, path = url.partition(":///")
    if found and scheme == "sqlite" and base is not None and not Path(path).is_absolute():
        return f"sqlite:///{base / path}"
    return url


_SHOP_KEYS = tuple(key for key in Shop.__struct_fields__ if key != "options")
