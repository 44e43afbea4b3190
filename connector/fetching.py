"""Orders by their names, read now: what is recorded of them is Lengow's last word, whatever its dates say."""

from collections.abc import Iterable

from lengow.connector.context import Context
from lengow.connector.recorder import Name, Recorder


def fetch_orders(context: Context, recorder: Recorder, account: str, names: Iterable[Name]) -> list[Name]:
    """Read each by itself and record it, also where its `updated_at` is older than the stored one's.

    A page that is read earlier may be recorded later, so that an older reading in it is not believed. But Lengow may
    date back an order, and then every page tells it so. Returns those that Lengow does not give. Raises ApiError.
    """
    missing = []
    for name in sorted(names):
        page = context.client(account).order(*name)
        if not page.results:
            missing.append(name)
        recorder.record([bytes(raw) for raw in page.results], latest=True)
    return missing
