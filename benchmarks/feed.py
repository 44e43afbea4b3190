"""A feed of a million products: its speed beside Python's bare csv writer over the same rows, and its memory.

Two feeds of one marketplace (fulfilment by a filter, then standard), 31 columns and 430 characters an offer, CSV, all
checks. One offer in fifty has a quote and an entity in its title, and all descriptions have signs beyond Latin-1, so that
the careful way is taken everywhere. The products are made in blocks of 200, whose time is measured and taken off the
build's. The floor writes the very rows of the build, which are made beforehand and not counted, by `csv.writer` with the
same separator to the same disk, in the same process, right after; both in seconds of CPU, medians of three rounds. Memory
is the peak of a process of its own that does nothing but build.
"""

import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any

PRODUCTS = 1_000_000
SPEED_PRODUCTS = 200_000
ROUNDS = 3


def measure_feed() -> dict[str, tuple[float, str]]:
    memory = _child("memory", PRODUCTS)
    speed = _child("speed", SPEED_PRODUCTS)
    return {
        "megabytes_for_a_million_products": (memory["megabytes"], "≤ 150"),
        "speed_to_that_of_csv_writer_percent": (speed["percent"], "≥ 60"),
        "offers_per_second": (speed["offers_per_second"], "≥ 0"),
        "csv_writer_rows_per_second": (speed["floor_per_second"], "≥ 0"),
        "seconds_for_a_million_products_with_their_making": (memory["seconds"], "≥ 0"),
    }


def _child(what: str, count: int) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, what, str(count)], check=True, stdout=subprocess.PIPE, text=True)
    facts: dict[str, float] = json.loads(done.stdout)
    return facts


def products(count: int) -> Iterator[Any]:
    from lengow.connector.catalogue import CatalogueProduct

    description = (
        "Perceuse visseuse sans fil avec deux batteries au lithium, chargeur rapide, mallette rigide et jeu de forets."
        " Mandrin auto-serrant de 13 mm, deux vitesses mécaniques, couple réglable, éclairage de la zone d’ouvrage – blanc."
    )
    yes, no = "true", "false"
    for number in range(count):
        digits = f"{370000000000 + number:012d}"
        weights = sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))
        title = f"Perceuse visseuse sans fil 18 V {number}, mandrin de 13 mm"
        if number % 50 == 0:
            title = f'Perceuse 18 V {number}, mandrin de 1/2" &amp; mallette'
        yield CatalogueProduct(
            id=str(number),
            sku=f"SKU-{number:07d}",
            title=title,
            description=f"{description} {number}",
            price=Decimal(number % 90_000 + 999).scaleb(-2),
            price_before=Decimal("99.90") if number % 10 == 0 else None,
            currency="EUR",
            stock=number % 300,
            tax_rate=Decimal(20),
            ean=f"{digits}{-weights % 10}",
            brand="Acme" if number % 3 else "Bolt",
            category="Outillage > Outillage électroportatif > Perceuses",
            url=f"https://shop.example.com/outillage/perceuses/perceuse-visseuse-{number}.html",
            images=(
                f"https://cdn.example.com/img/{number}-1.jpg",
                f"https://cdn.example.com/img/{number}-2.jpg",
                f"https://cdn.example.com/img/{number}-3.jpg",
            ),
            weight=Decimal("1.85"),
            shipping_cost=Decimal("4.90"),
            shipping_delay="2-3 jours",
            attributes={
                "weight_net": "1.4",
                "icpe": "0",
                "onu": "0",
                "security_file_number": "FDS-2291",
                "has_batch_number": no,
                "has_serial_number": yes,
                "has_dluo": no,
                "is_fragile": no if number % 2 else yes,
                "is_overpackaged": no,
            },
        )


def _connector(folder: Path) -> Any:
    from lengow.connector import Connector, Settings

    document = {
        "accounts": {"main": {"access_token": "t", "secret": "s"}},
        "shops": {"b2c": {"account": "main", "platform": "generic"}},
        "feeds": {
            "fulfilment": {
                "shop": "b2c",
                "marketplace": "manomano_fr",
                "programme": "fulfilment",
                "path": "fulfilment.csv",
                "priority": 1,
                "filter": 'stock > 0 and attributes.is_fragile == true and brand in ["Acme", "Corvo"]',
            },
            "standard": {"shop": "b2c", "marketplace": "manomano_fr", "path": "standard.csv", "priority": 2},
        },
    }
    return Connector(Settings.from_dict(document, base=folder))


def _memory(count: int) -> dict[str, float]:
    from lengow import feeds

    with tempfile.TemporaryDirectory() as folder, _connector(Path(folder)) as connector:
        started = time.perf_counter()
        report = feeds.build(connector, "standard", products=products(count))
        seconds = time.perf_counter() - started
        assert sum(one.offers for one in report.feeds) == count, report
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"megabytes": round(kilobytes / 1024, 1), "seconds": round(seconds, 1)}


class Timed:
    """The products, made in blocks whose making is timed apart."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Any]:
        made = products(self._count)
        while True:
            started = time.process_time()
            block = list(islice(made, 200))
            self.seconds += time.process_time() - started
            if not block:
                return
            yield from block


def _speed(count: int) -> dict[str, float]:
    """Medians of rounds that build and write the floor in turn."""
    with tempfile.TemporaryDirectory() as folder, _connector(Path(folder)) as connector:
        rounds = [_round(connector, Path(folder), count) for _ in range(ROUNDS)]
    return {
        "percent": round(statistics.median(floor / building for building, floor in rounds) * 100, 1),
        "offers_per_second": round(count / statistics.median(building for building, _ in rounds)),
        "floor_per_second": round(count / statistics.median(floor for _, floor in rounds)),
    }


def _round(connector: Any, folder: Path, count: int) -> tuple[float, float]:
    """Seconds of CPU of the build, and of `csv.writer` alone over the same rows."""
    from lengow import feeds
    from lengow.feeds.building import Run
    from lengow.feeds.settings import group_of

    source = Timed(count)
    started = time.process_time()
    feeds.build(connector, "standard", products=source, force=True)
    building = time.process_time() - started - source.seconds
    group = group_of(connector.settings, "standard")
    run = Run(group, lambda _: products(count))
    files = {name: _open(folder / f"floor-{name}.csv") for name in group.feeds}
    writers = {name: csv.writer(file, delimiter="|") for name, file in files.items()}
    floor = 0.0
    for part in run.parts():
        started = time.process_time()
        writers[part.feed].writerows(part.rows)
        floor += time.process_time() - started
    started = time.process_time()
    for file in files.values():
        file.close()
    floor += time.process_time() - started
    for name, composer in run.composers.items():
        head = ("|".join(composer.header) + "\r\n").encode()
        assert (folder / f"{name}.csv").read_bytes() == head + (folder / f"floor-{name}.csv").read_bytes(), name
    return building, floor


def _open(path: Path) -> IO[str]:
    return path.open("w", 1 << 20, "utf-8", newline="")


if __name__ == "__main__":
    print(json.dumps({"memory": _memory, "speed": _speed}[sys.argv[1]](int(sys.argv[2]))))
