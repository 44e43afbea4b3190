"""When a step that failed is tried again. Pure: jitter and the attempt come in, seconds or None come out."""

PAUSES = (30, 60, 120, 300, 900, 1800, 3600, 3600, 7200, 7200, 14400, 14400, 28800, 43200)
"""Seconds after the 1st, 2nd, … failed attempt: about a day and a half in all, then it waits for a person."""

STEADY = 6
"""The failed attempt from which on the pauses of `steady_pause` stay as they are."""


def retry_after(attempts: int, *, jitter: float, asked: float | None = None) -> float | None:
    """Seconds to wait after this many failed attempts, or None: for a person.

    `jitter` 0..1 spreads the wait over ±10 %. `asked` is what the other side asked for (`Retry-After`); it has the
    last word where it is longer.
    """
    if attempts > len(PAUSES):
        return None
    pause = PAUSES[max(attempts, 1) - 1] * (0.9 + 0.2 * jitter)
    return max(pause, asked or 0.0)


def steady_pause(attempts: int, *, jitter: float, asked: float | None = None) -> float:
    """As `retry_after`, for what is tried for as long as it takes: never longer than half an hour, unless asked."""
    return retry_after(min(attempts, STEADY), jitter=jitter, asked=asked) or 0.0


def tries_used(attempts: int) -> int:
    """How many attempts count after one that the other side did not take at all: an outage uses up no more than what
    makes its pauses long, so that what is begun after it is tried for a day still."""
    return attempts if attempts <= STEADY else attempts - 1
