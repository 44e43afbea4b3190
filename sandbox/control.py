"""The other way in, for tests and demos: what one may ask of the sandbox, in this process or over HTTP.

Over HTTP each verb of `Controls` is `POST /_sandbox/<verb>` with a JSON object of its arguments, answered 200 and
its result as JSON, or 400 and `{"error": "..."}`. Bytes are base64, amounts strings, instants ISO 8601:

    curl -d '{"account_id": 4242, "count": 20}' http://127.0.0.1:8700/_sandbox/sell
    curl -d '{"minutes": 15}'                   http://127.0.0.1:8700/_sandbox/advance
    curl -d '{}'                                http://127.0.0.1:8700/_sandbox/ledger
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar, get_type_hints

import msgspec
import requests

from lengow.sandbox.access import Account
from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.errors import SandboxError
from lengow.sandbox.faults import Fault
from lengow.sandbox.ledger import Ledger

PREFIX = "/_sandbox/"
TIMEOUT = 600
T = TypeVar("T")


class Controls(Protocol):
    """What `Sandbox` and `SandboxControl` both do. Each verb raises SandboxError for what cannot be done."""

    @property
    def url(self) -> str:
        """Lengow's base URL, such as `http://127.0.0.1:41234`."""

    def add_account(self, name: str) -> Account:
        """One more Lengow account. The same seed and order of calls give the same ids and keys."""

    def accounts(self) -> list[Account]: ...

    def sell(
        self,
        account_id: int,
        count: int,
        kinds: Mapping[str, float] | None = None,
        *,
        marketplace: str = "manomano_fr",
        skus: Sequence[str] | None = None,
        ordered_at: datetime | None = None,
        catalog_id: int = 3131,
    ) -> list[str]:
        """Sells `count` orders and returns their ids; Lengow shows them after its next collection.

        `kinds`: counts that add up to `count`, or else weights; None is a merchant's usual mix.
        `skus`: what is sold, instead of the whole catalogue. `ordered_at`: instead of the last minutes.
        """

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
        """Sells one order whose JSON at Lengow is hostile, and returns its id.

        `overrides` are merged deep into the order object (lists element by element, an empty list replaces), dotted
        paths in `remove` are taken out (`"packages.0.cart.0.amount"`), and `raw_bytes` stand for the whole object.
        `importable`: whether `reconcile` expects it in the shop; None leaves it open.
        """

    def advance(self, minutes: float = 0, *, hours: float = 0, days: float = 0) -> datetime:
        """Moves the clock on, with every collection on the way at its own time; returns the new now."""

    def now(self) -> datetime: ...

    def accept(self, order_id: str, *, late: bool = False) -> None:
        """The merchant accepts a pending order in the marketplace's own back office.

        `late`, here and below: the change is only seen by Lengow's daily re-reading of the last 3 days.
        """

    def cancel(self, order_id: str, *, line_ids: Sequence[str] | None = None, late: bool = False) -> None:
        """The buyer or the marketplace cancels the order, or some of its lines."""

    def ship(
        self, order_id: str, *, carrier: str, tracking_number: str, tracking_url: str = "", late: bool = False
    ) -> None:
        """All that waits is shipped without Lengow: by the marketplace, or told to it in its back office."""

    def refund(
        self,
        order_id: str,
        *,
        line_ids: Sequence[str] | None = None,
        quantity: int | None = None,
        late: bool = False,
    ) -> None:
        """The marketplace gives the order back, some of its lines, or a `quantity` of one line."""

    def amend(self, order_id: str, changes: dict[str, Any], *, late: bool = False) -> None:
        """Changes address fields (delivery and billing, or in an object `billing` or `delivery`), `shipping`,
        `processing_fee`, `comments`, or the `quantity` of the first line."""

    def anonymize(self, order_id: str, *, late: bool = False) -> None:
        """Personal data is erased, as Lengow does after 6 months."""

    def fault(self, fault: Fault) -> None: ...

    def clear_faults(self) -> None: ...

    def revoke_tokens(self) -> None:
        """Every token is stale from now on."""

    def configure(
        self,
        *,
        quota_per_minute: int | None = None,
        token_life_seconds: float | None = None,
        queue_minutes: float | None = None,
        answer_minutes: float | None = None,
        null_errors: bool | None = None,
    ) -> None:
        """Changes what is given. `queue_minutes`: how long an action waits at Lengow, `answer_minutes`: then at the
        marketplace (both 0, and both end with the next collection); `null_errors`: null instead of `""`."""

    def ledger(self) -> Ledger: ...


VERBS = frozenset(
    "add_account accounts sell sell_raw advance now accept cancel ship refund amend anonymize fault clear_faults revoke_tokens "
    "configure ledger".split()
)


def answer(controls: Controls, request: Request) -> Answer:
    """Answers one `POST /_sandbox/<verb>`."""
    verb = request.path.removeprefix(PREFIX)
    if request.method != "POST" or verb not in VERBS:
        return Answer.json({"error": f"POST {PREFIX}<verb>, one of {', '.join(sorted(VERBS))}"}, 404)
    method = getattr(controls, verb)
    hints = get_type_hints(getattr(Controls, verb))
    try:
        arguments = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
        if unknown := set(arguments) - set(hints):
            raise SandboxError(f"{verb} has no arguments {sorted(unknown)}")
        result = method(**{name: msgspec.convert(value, hints[name]) for name, value in arguments.items()})
    except (SandboxError, msgspec.MsgspecError, TypeError, ValueError) as error:
        return Answer.json({"error": f"{verb}: {error}"}, 400)
    return Answer.json(result)


class SandboxControl:
    """`Controls` of a sandbox in another process. Close it, or use it as a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    @property
    def url(self) -> str:
        return self._url

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_account(self, name: str) -> Account:
        return self._call(Account, "add_account", name=name)

    def accounts(self) -> list[Account]:
        return self._call(list[Account], "accounts")

    def sell(
        self,
        account_id: int,
        count: int,
        kinds: Mapping[str, float] | None = None,
        *,
        marketplace: str = "manomano_fr",
        skus: Sequence[str] | None = None,
        ordered_at: datetime | None = None,
        catalog_id: int = 3131,
    ) -> list[str]:
        return self._call(
            list[str],
            "sell",
            account_id=account_id,
            count=count,
            kinds=kinds,
            marketplace=marketplace,
            skus=skus,
            ordered_at=ordered_at,
            catalog_id=catalog_id,
        )

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
        return self._call(
            str,
            "sell_raw",
            account_id=account_id,
            overrides=overrides,
            remove=remove,
            raw_bytes=raw_bytes,
            kind=kind,
            importable=importable,
        )

    def advance(self, minutes: float = 0, *, hours: float = 0, days: float = 0) -> datetime:
        return self._call(datetime, "advance", minutes=minutes, hours=hours, days=days)

    def now(self) -> datetime:
        return self._call(datetime, "now")

    def accept(self, order_id: str, *, late: bool = False) -> None:
        self._call(None, "accept", order_id=order_id, late=late)

    def cancel(self, order_id: str, *, line_ids: Sequence[str] | None = None, late: bool = False) -> None:
        self._call(None, "cancel", order_id=order_id, line_ids=line_ids, late=late)

    def ship(
        self, order_id: str, *, carrier: str, tracking_number: str, tracking_url: str = "", late: bool = False
    ) -> None:
        self._call(
            None,
            "ship",
            order_id=order_id,
            carrier=carrier,
            tracking_number=tracking_number,
            tracking_url=tracking_url,
            late=late,
        )

    def refund(
        self,
        order_id: str,
        *,
        line_ids: Sequence[str] | None = None,
        quantity: int | None = None,
        late: bool = False,
    ) -> None:
        self._call(None, "refund", order_id=order_id, line_ids=line_ids, quantity=quantity, late=late)

    def amend(self, order_id: str, changes: dict[str, Any], *, late: bool = False) -> None:
        self._call(None, "amend", order_id=order_id, changes=changes, late=late)

    def anonymize(self, order_id: str, *, late: bool = False) -> None:
        self._call(None, "anonymize", order_id=order_id, late=late)

    def fault(self, fault: Fault) -> None:
        self._call(None, "fault", fault=fault)

    def clear_faults(self) -> None:
        self._call(None, "clear_faults")

    def revoke_tokens(self) -> None:
        self._call(None, "revoke_tokens")

    def configure(
        self,
        *,
        quota_per_minute: int | None = None,
        token_life_seconds: float | None = None,
        queue_minutes: float | None = None,
        answer_minutes: float | None = None,
        null_errors: bool | None = None,
    ) -> None:
        self._call(
            None,
            "configure",
            quota_per_minute=quota_per_minute,
            token_life_seconds=token_life_seconds,
            queue_minutes=queue_minutes,
            answer_minutes=answer_minutes,
            null_errors=null_errors,
        )

    def ledger(self) -> Ledger:
        return self._call(Ledger, "ledger")

    def _call(self, result: type[T] | None, verb: str, **arguments: object) -> T:
        body = msgspec.json.encode(arguments)
        answer = self._session.post(f"{self._url}{PREFIX}{verb}", data=body, timeout=TIMEOUT)
        if not answer.ok:
            raise SandboxError(answer.json()["error"])
        decoded: T = msgspec.json.decode(answer.content, type=result)
        return decoded
