"""The way of the shops' webhooks to the receiver, on which they come twice, late, in another order, spoilt, or not at all."""

import http.client
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

from chaos_storm import Storm

KINDS = ("lost", "answer lost", "twice", "once more later", "late", "overtaken", "spoilt")
"""What a shop hears of `lost`, `answer lost`, `late`, `overtaken` and `spoilt` is nothing, as after a time-out."""
DEAD = "receiver dead"
NO_ANSWER = 0


class Delivery(NamedTuple):
    url: str
    headers: Mapping[str, str]
    body: bytes


class Wire:
    def __init__(self, storm: Storm, seed: int) -> None:
        self.answers: dict[str, dict[int, int]] = {}
        """How often the receiver answered with each status, by what befell the delivery."""
        self._storm = storm
        self._chance = random.Random(seed)
        self._overtaken: list[Delivery] = []
        self._late: list[Delivery] = []
        storm.expect([f"webhook {kind}" for kind in (*KINDS, DEAD)])

    @contextmanager
    def between(self) -> Iterator[None]:
        """The stand-ins' webhooks go this way until the end of the block."""
        with (
            patch("lengow.sandbox.shops.woocommerce.hooks._post", self.post),
            patch("lengow.sandbox.shops.shopware.hooks._post", self.post),
        ):
            yield

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The HTTP status as the shop hears it; 0 for none."""
        delivery = Delivery(url, headers, body)
        befalls = self._storm.draws(KINDS, "webhook")
        return _BEFALLS[befalls](self, delivery) if befalls else self._send(delivery, "")

    def catch_up(self) -> None:
        """What was overtaken comes in, in another order."""
        overtaken, self._overtaken = self._overtaken, []
        self._chance.shuffle(overtaken)
        for delivery in overtaken:
            self._send(delivery, "overtaken")

    def come_late(self) -> None:
        """What is late comes in, in any order."""
        late, self._late = self._late, []
        self._chance.shuffle(late)
        for delivery in late:
            self._send(delivery, "late")

    def _lost(self, _delivery: Delivery) -> int:
        return NO_ANSWER

    def _answer_lost(self, delivery: Delivery) -> int:
        self._send(delivery, "answer lost")
        return NO_ANSWER

    def _twice(self, delivery: Delivery) -> int:
        self._send(delivery, "twice")
        return self._send(delivery, "twice")

    def _once_more_later(self, delivery: Delivery) -> int:
        self._late.append(delivery)
        return self._send(delivery, "")

    def _come_late(self, delivery: Delivery) -> int:
        self._late.append(delivery)
        return NO_ANSWER

    def _be_overtaken(self, delivery: Delivery) -> int:
        self._overtaken.append(delivery)
        return NO_ANSWER

    def _spoilt(self, delivery: Delivery) -> int:
        place = self._chance.randrange(len(delivery.body))
        body = bytearray(delivery.body)
        body[place] ^= 1 << self._chance.randrange(7)
        self._send(delivery._replace(body=bytes(body)), "spoilt")
        return NO_ANSWER

    def _send(self, delivery: Delivery, befell: str) -> int:
        status = _posted(delivery)
        if status == NO_ANSWER:
            self._storm.count(f"webhook {DEAD}")
        told = self.answers.setdefault(befell, {})
        told[status] = told.get(status, 0) + 1
        return status


def _posted(delivery: Delivery) -> int:
    parts = urlsplit(delivery.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("POST", parts.path or "/", delivery.body, dict(delivery.headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return NO_ANSWER
    finally:
        connection.close()


_BEFALLS: Mapping[str, Callable[[Wire, Delivery], int]] = {
    "lost": Wire._lost,
    "answer lost": Wire._answer_lost,
    "twice": Wire._twice,
    "once more later": Wire._once_more_later,
    "late": Wire._come_late,
    "overtaken": Wire._be_overtaken,
    "spoilt": Wire._spoilt,
}
