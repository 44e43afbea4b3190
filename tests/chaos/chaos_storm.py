"""Everything that may fail at Lengow, at the shops with a server and at the mail server, at random; and how often it did.

A kind is hit only where it means something: orders are shifted only in a list of orders, a worker dies only where the
platform makes an order.
"""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from aiosmtpd.smtp import SMTP
from mail_server import MailServer

from lengow.sandbox import Fault, Sandbox
from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.faults import KINDS as LENGOW_KINDS
from lengow.sandbox.shops.standin import BAD_GATEWAY
from lengow.sandbox.shops.standin import Fault as ShopFault

LENGOW_LISTS = ("/v3.0/orders", "/v3.0/orders/actions")
OF_A_LIST = ("duplicate", "shuffle")
OF_ORDERS = ("shift", "insert")

PAUSE = 0.02
"""Seconds of a latency. That time-outs are kept is a matter of other tests: real seconds pass in them."""
ASKED = 1
"""Seconds that 429 asks to wait."""

WAYS = (
    ("latency", False),
    ("lost_before", False),
    ("lost_after", True),
    ("error_500", False),
    ("error_500", True),
    ("html_502", False),
    ("html_502", True),
    ("busy_429", False),
)
"""Of the stand-ins' kinds those that may hit any request, each without and with the effect before it."""

ANSWERS = {
    "maintenance": Answer(503, b"<h1>Be right back</h1>", {"Content-Type": "text/html", "Retry-After": "60"}),
    "a page": Answer(200, b"<html><body>Just a moment...</body></html>", {"Content-Type": "text/html"}),
    "cut JSON": Answer(200, b'{"id": 12, "dat', {"Content-Type": "application/json"}),
}
"""Of what stands before a shop: a maintenance page, a check for browsers, a cache that kept half of an answer."""

MAKING = {
    "woocommerce": ("POST", "/wc/v3/orders", ("inserted", "filled", "moved")),
    "prestashop": ("POST", "/api/orders", ("before", "order", "detail", "payment", "history")),
    "magento": ("POST", "/V1/orders", ("committed",)),
    "shopware": ("POST", "/_action/sync", ("written", "committed")),
}
"""Where a platform makes an order, and the stages at which its worker may die there."""

MAIL_KINDS = (
    "hangs up",
    "latency",
    "421 at MAIL",
    "451 at RCPT (greylisted)",
    "550 at RCPT",
    "452 at DATA",
    "554 at DATA",
    "lost in DATA",
    "lost after DATA",
)


class Storm:
    """While it `blows`, each call fails with a chance of `share`. `hits`: how often each kind did; 0 of those that may."""

    def __init__(self, share: float, seed: int) -> None:
        self.hits: Counter[str] = Counter()
        self.blows = False
        self._chance = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()

    @contextmanager
    def over(self, sandbox: Sandbox, servers: dict[str, Any]) -> Iterator[None]:
        """Over a Lengow and shops, by name; until the end of the block."""
        with ExitStack() as stack:
            self.expect(f"lengow {kind}" for kind in LENGOW_KINDS)
            _swap(stack, sandbox._faults, "hitting", self._at_lengow)
            for name, server in servers.items():
                self._over_shop(stack, name, server)
            yield

    def expect(self, kinds: Iterator[str] | Sequence[str]) -> None:
        for kind in kinds:
            self.hits[kind] += 0

    def count(self, kind: str) -> None:
        with self._lock:
            self.hits[kind] += 1

    def never(self) -> list[str]:
        """What was to hit and never did."""
        return [kind for kind, times in self.hits.items() if not times]

    def draws(self, kinds: Sequence[str], of: str) -> str:
        """One of `kinds`, counted; empty where nothing fails."""
        kind = self._drawn(kinds) or ""
        if kind:
            self.count(f"{of} {kind}")
        return str(kind)

    def _drawn(self, kinds: Sequence[Any]) -> Any:
        with self._lock:
            fails = self.blows and self._chance.random() < self._share
            return self._chance.choice(kinds) if fails else None

    def _at_lengow(self, request: Request) -> list[Fault]:
        kinds = [kind for kind in LENGOW_KINDS if kind not in (*OF_A_LIST, *OF_ORDERS)]
        if request.method == "GET" and request.path in LENGOW_LISTS:
            kinds += OF_A_LIST
        if request.method == "GET" and request.path == LENGOW_LISTS[0]:
            kinds += OF_ORDERS
        kind = self.draws(kinds, "lengow")
        if not kind:
            return []
        return [Fault(kind, seconds=PAUSE, retry_after=ASKED, status=self._chance.choice((500, 503, 504)))]

    def _over_shop(self, stack: ExitStack, name: str, server: Any) -> None:
        method, path, stages = MAKING[name]
        anywhere = [(kind, effect, "") for kind, effect in WAYS] + [("answer", False, text) for text in ANSWERS]
        killed = [("killed", True, stage) for stage in stages]
        self.expect([_named(name, *one) for one in [*anywhere, *killed]] + [f"{name} down"])
        making = anywhere + killed * max(len(anywhere) // len(stages), 1)  # few calls make orders: half of what befalls
        counted = server._hitting

        def hit(request: Request) -> list[ShopFault]:
            counted(request)
            makes = request.method == method and request.path.endswith(path) and _makes(request)
            found = self._drawn(making if makes else anywhere)
            if found is None:
                return []
            self.count(_named(name, *found))
            kind, effect, what = found
            seconds = PAUSE if kind == "latency" else ASKED
            return [ShopFault(kind, seconds=seconds, effect=effect, stage=what, answer=ANSWERS.get(what))]

        faulty = server._faulty

        def survive(request: Request, fault: ShopFault) -> Any:
            try:
                return faulty(request, fault)
            except AssertionError:  # it was refused before it came to the stage
                return BAD_GATEWAY

        _swap(stack, server, "_hitting", hit)
        _swap(stack, server, "_faulty", survive)


class StormyMail(MailServer):
    """A mail server in the storm. It keeps no mail, but how often it has taken each, by Message-ID."""

    def __init__(self, storm: Storm) -> None:
        super().__init__()
        self.taken: Counter[str] = Counter()
        self._storm = storm
        storm.expect([f"mail {kind}" for kind in MAIL_KINDS])

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.befalls = self._storm.draws(MAIL_KINDS, "mail")
        if envelope.befalls == "hangs up":
            server.transport.abort()
        if envelope.befalls == "latency":
            await asyncio.sleep(PAUSE)
        if envelope.befalls.startswith("421"):
            return "421 Too many connections, try again later"
        return await super().handle_MAIL(server, session, envelope, address, options)

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if envelope.befalls.startswith("451"):
            return "451 4.7.1 Greylisting in action, please come back later"
        if envelope.befalls.startswith("550"):
            return "550 5.1.1 No such user"
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if envelope.befalls.startswith("452"):
            return "452 4.3.1 Insufficient system storage"
        if envelope.befalls.startswith("554"):
            return "554 5.7.1 Message looks like spam"
        if envelope.befalls == "lost in DATA":
            server.transport.abort()
            return "451 never heard"
        self.taken[_message_id(envelope.content)] += 1
        if envelope.befalls == "lost after DATA":
            server.transport.abort()
        return "250 OK"


def _swap(stack: ExitStack, owner: Any, name: str, value: Callable[..., Any]) -> None:
    setattr(owner, name, value)
    stack.callback(delattr, owner, name)


def _named(shop: str, kind: str, effect: bool, what: str) -> str:
    after = " after the effect" if effect and kind in ("error_500", "html_502") else ""
    return f"{shop} {kind}{after}{f': {what}' if what else ''}"


def _makes(request: Request) -> bool:
    """Shopware makes orders with a call that does much else."""
    return not request.path.endswith("/_action/sync") or b'"order"' in request.body


def _message_id(content: bytes) -> str:
    head = content.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    return next(line[11:].strip() for line in head.splitlines() if line.lower().startswith("message-id:"))
