"""What became of the last build of the feeds of one account and marketplace: kept in the store, for every process to tell."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import msgspec

from lengow.connector.context import Context
from lengow.connector.errors import LeaseLost, LengowError
from lengow.connector.prepared import prepare
from lengow.connector.store.contract import Reading
from lengow.feeds.errors import BuildEnded, FeedBusy
from lengow.feeds.settings import Group


class LastBuild(msgspec.Struct, frozen=True, omit_defaults=True):
    ended_at: datetime
    seconds: float = 0
    """How long it took."""
    code: str = ""
    """Of the error that it ended with; empty: its files were written."""
    about: str = ""
    what_to_do: str = ""
    written_at: datetime | None = None
    """When files were last written; None: never, since builds are kept here."""
    offers: Mapping[str, int] = {}
    """In each feed, as it was last written."""
    left_out: Mapping[str, int] = {}


def last_build(store: Reading, group: Group) -> LastBuild | None:
    """None when it was never built, since builds are kept. Raises StoreError."""
    text = store.get_value(group.account, _name(group))
    return msgspec.json.decode(text, type=LastBuild) if text else None


@contextmanager
def remembered(context: Context, group: Group) -> Iterator[None]:
    """Keeps how a build ends that raises. One that was not begun, or is given up for another process, is no build."""
    begun = context.now()
    try:
        yield
    except (FeedBusy, BuildEnded, LeaseLost):
        raise
    except LengowError as error:
        _keep(context, group, begun, code=error.code, about=str(error), what_to_do=error.what_to_do)
        raise
    except Exception as error:
        _keep(context, group, begun, code=type(error).__name__, about=str(error), what_to_do="Look at the log.")
        raise


def keep_written(
    context: Context, group: Group, begun: datetime, offers: Mapping[str, int], left_out: Mapping[str, int]
) -> None:
    """Keep that the files were written. Raises StoreError."""
    _keep(context, group, begun, written_at=context.now(), offers=offers, left_out=left_out)


def _keep(context: Context, group: Group, begun: datetime, **facts: object) -> None:
    now = context.now()
    before = last_build(context.store, group) or LastBuild(now)
    kept = msgspec.structs.replace(
        before,
        **{
            "ended_at": now,
            "seconds": max((now - begun).total_seconds(), 0),
            "code": "",
            "about": "",
            "what_to_do": "",
            **facts,
        },
    )
    with context.store.transaction() as tx:
        tx.set_value(group.account, _name(group), msgspec.json.encode(kept).decode())


def _name(group: Group) -> str:
    return f"feeds/{group.marketplace}"


prepare(LastBuild)
