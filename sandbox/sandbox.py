"""The whole sandbox in this process: Lengow on HTTP, the marketplaces behind it, and the controls."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self

from lengow.sandbox import control
from lengow.sandbox.access import Access, Account, Quotas
from lengow.sandbox.actions import Actions, Pace
from lengow.sandbox.answers import Answer, Lost, Refusal, Request
from lengow.sandbox.clock import Clock
from lengow.sandbox.descriptions import descriptions
from lengow.sandbox.errors import SandboxError
from lengow.sandbox.faults import Fault, Faults, instead, spoiled
from lengow.sandbox.generator import CATALOG_ID, Generator
from lengow.sandbox.ledger import Ledger
from lengow.sandbox.lengow import Lengow
from lengow.sandbox.marketplace import Marketplaces
from lengow.sandbox.orders import parse
from lengow.sandbox.rendering import check_raw
from lengow.sandbox.sales import Raw, Sale
from lengow.sandbox.server import HttpServer
from lengow.sandbox.snapshot import snapshot


class Sandbox:
    """A Lengow of one's own on 127.0.0.1. Use it as a context manager, or `start` and `close` it.

    `port` 0 takes a free one. `quota_per_minute` 0 sets no limit. `start`: the first instant of its clock
    (default: the real now). Its verbs are described in `Controls`.
    """

    def __init__(
        self,
        port: int = 0,
        quota_per_minute: int = 500,
        token_life_seconds: float = 3600,
        seed: int = 1,
        start: datetime | None = None,
    ) -> None:
        self._port = port
        self._seed = seed
        self._clock = Clock(start)
        self._marketplaces = Marketplaces(descriptions())
        self._lengow = Lengow(
            self._clock.start,
            self._marketplaces,
            Access(seed, timedelta(seconds=token_life_seconds)),
            Quotas(quota_per_minute),
            Actions(Pace()),
        )
        self._generators: dict[int, Generator] = {}
        self._faults = Faults()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._server: HttpServer | None = None

    def start(self) -> Self:
        self._server = HttpServer(self._port, self._respond, self.now)
        return self

    def close(self) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        if self._server is None:
            raise SandboxError("the sandbox has no address before it is started")
        return self._server.url

    def add_account(self, name: str) -> Account:
        with self._lock:
            account = self._lengow.access.add_account(name)
            self._generators[account.account_id] = Generator(self._seed, len(self._generators))
            return account

    def accounts(self) -> list[Account]:
        with self._lock:
            return list(self._lengow.access.accounts.values())

    def sell(
        self,
        account_id: int,
        count: int,
        kinds: Mapping[str, float] | None = None,
        *,
        marketplace: str = "manomano_fr",
        skus: Sequence[str] | None = None,
        ordered_at: datetime | None = None,
        catalog_id: int = CATALOG_ID,
    ) -> list[str]:
        with self._lock:
            if marketplace not in self._marketplaces.descriptions:
                raise SandboxError(f"no marketplace is called {marketplace!r}")
            sales = self._generator(account_id).sales(
                account_id, count, self._caught_up(), kinds, marketplace, skus, ordered_at, catalog_id
            )
            self._marketplaces.sell(sales)
            return [sale.id for sale in sales]

    def sell_raw(
        self,
        account_id: int,
        overrides: dict[str, Any] | None = None,
        *,
        remove: Sequence[str] = (),
        raw_bytes: bytes | None = None,
        kind: str = "standard",
        importable: bool | None = None,
    ) -> str:
        with self._lock:
            [sale] = self._generator(account_id).sales(account_id, 1, self._caught_up(), {kind: 1})
            sale = self._named(replace(sale, raw=Raw(overrides or {}, tuple(remove), raw_bytes, importable)))
            check_raw(sale)
            self._marketplaces.sell([sale])
            return sale.id

    def advance(self, minutes: float = 0, *, hours: float = 0, days: float = 0) -> datetime:
        with self._lock:
            self._clock.jump(timedelta(days=days, hours=hours, minutes=minutes))
            return self._caught_up()

    def now(self) -> datetime:
        return self._clock.now()

    def accept(self, order_id: str, *, late: bool = False) -> None:
        with self._lock:
            self._caught_up()
            self._marketplaces.accept(order_id, late)

    def cancel(self, order_id: str, *, line_ids: Sequence[str] | None = None, late: bool = False) -> None:
        with self._lock:
            self._caught_up()
            self._marketplaces.cancel(order_id, line_ids, late)

    def ship(
        self, order_id: str, *, carrier: str, tracking_number: str, tracking_url: str = "", late: bool = False
    ) -> None:
        arguments = {"carrier": carrier, "tracking_number": tracking_number, "tracking_url": tracking_url}
        with self._lock:
            now = self._caught_up()
            self._marketplaces.ship(order_id, {name: value for name, value in arguments.items() if value}, now, late)

    def refund(
        self,
        order_id: str,
        *,
        line_ids: Sequence[str] | None = None,
        quantity: int | None = None,
        late: bool = False,
    ) -> None:
        with self._lock:
            self._caught_up()
            self._marketplaces.refund(order_id, line_ids, quantity, late)

    def amend(self, order_id: str, changes: dict[str, Any], *, late: bool = False) -> None:
        with self._lock:
            self._caught_up()
            self._marketplaces.amend(order_id, changes, late)

    def anonymize(self, order_id: str, *, late: bool = False) -> None:
        with self._lock:
            self._caught_up()
            self._marketplaces.anonymize(order_id, late)

    def fault(self, fault: Fault) -> None:
        with self._lock:
            self._faults.add(fault)

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def revoke_tokens(self) -> None:
        with self._lock:
            self._lengow.access.revoke_all()

    def configure(
        self,
        *,
        quota_per_minute: int | None = None,
        token_life_seconds: float | None = None,
        queue_minutes: float | None = None,
        answer_minutes: float | None = None,
        null_errors: bool | None = None,
    ) -> None:
        with self._lock:
            self._caught_up()
            lengow = self._lengow
            if quota_per_minute is not None:
                lengow.quotas.per_minute = quota_per_minute
            if token_life_seconds is not None:
                lengow.access.life = timedelta(seconds=token_life_seconds)
            if queue_minutes is not None:
                lengow.actions.pace.queue = timedelta(minutes=queue_minutes)
            if answer_minutes is not None:
                lengow.actions.pace.answer = timedelta(minutes=answer_minutes)
            if null_errors is not None:
                lengow.actions.null_errors = null_errors

    def ledger(self) -> Ledger:
        with self._lock:
            return snapshot(self._lengow, self._caught_up())

    def _generator(self, account_id: int) -> Generator:
        if account_id not in self._generators:
            raise SandboxError(f"there is no account {account_id}")
        return self._generators[account_id]

    def _named(self, sale: Sale) -> Sale:
        """Known by the id and marketplace that its JSON tells, unless another order has them already."""
        told: dict[str, Any] = {
            name: value
            for name, key in (("id", "marketplace_order_id"), ("marketplace", "marketplace"))
            if sale.raw and isinstance(value := sale.raw.overrides.get(key), str) and value
        }
        named = replace(sale, **told)
        return sale if named.key in self._marketplaces.sales else named

    def _caught_up(self) -> datetime:
        now = self._clock.now()
        self._lengow.catch_up(now)
        return now

    def _respond(self, request: Request) -> Answer | Lost:
        if request.path.startswith(control.PREFIX):
            return control.answer(self, request)
        with self._lock:
            faults = self._faults.hitting(request)
        for fault in faults:
            if fault.kind == "latency":
                self._closing.wait(fault.seconds)
        with self._lock:
            now = self._caught_up()
            for fault in faults:
                self._disturb(fault, request, now)
                if (outcome := instead(fault)) is not None:
                    self._lengow.requests[f"{request.method} {request.path}"] += 1
                    return outcome
            answer = self._lengow.answer(request, now)
        for fault in faults:
            spoilt = spoiled(fault, answer)
            if isinstance(spoilt, Lost):
                return spoilt
            answer = spoilt
        return answer

    def _disturb(self, fault: Fault, request: Request, now: datetime) -> None:
        """What happens at Lengow just before a request."""
        if fault.kind == "stale_token":
            self._lengow.access.revoke_all()
        given = request.query.get("account_id", "")
        account_id = int(given) if given.isdecimal() else 0
        if account_id not in self._generators:
            return
        if fault.kind == "shift":
            self._lengow.bump(account_id, fault.orders or self._first(account_id, fault, request, now), now)
        if fault.kind == "insert":
            generator = self._generator(account_id)
            sales = generator.sales(account_id, fault.count, now, {"standard": 1}, ordered_at=now)
            self._marketplaces.sell(sales)
            self._lengow.collect_now(now)

    def _first(self, account_id: int, fault: Fault, request: Request, now: datetime) -> list[str]:
        try:
            records = self._lengow.book(account_id).select(parse(request.query, now))
        except Refusal:
            return []
        return [record.sale.id for record in records[: fault.count]]
