"""Invoices a second on one core: composed, drawn, checked against the schema, embedded, numbered, kept.

Orders as the sandbox sells them, imported into the generic shop and shipped; then issued one after the other by one
thread of a process of its own. Nothing is mailed. What a core can do is told by its CPU time; by the clock it is less
where the machine does other work beside.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from imports import marketplace_settings, sell

from lengow.connector import Connector
from lengow.connector.store.rows import OrderFilter
from lengow.invoices.issuing import Issuer
from lengow.invoices.ledger import Ledger
from lengow.invoices.settings import invoice_settings
from lengow.sandbox import start_process

INVOICES = 300
SELLER = {
    "name": "Outillage Martin",
    "address": ["1 rue du Port"],
    "zipcode": "33000",
    "city": "Bordeaux",
    "siren": "732829320",
    "vat_number": "FR44732829320",
}
SECTIONS = {"invoices": {"seller": SELLER, "shops": {"b2c": {"send": "on_shipment", "mail": False}}}}


def measure_invoice() -> dict[str, tuple[float, str]]:
    done = subprocess.run([sys.executable, __file__], check=True, stdout=subprocess.PIPE, text=True)
    facts = json.loads(done.stdout)
    return {
        "invoices_per_second_of_one_core": (facts["per_second"], "≥ 20"),
        "invoices_per_second_by_the_clock": (facts["per_second_by_the_clock"], "≥ 0"),
        "kilobytes_a_pdf": (facts["kilobytes"], "≥ 0"),
    }


def _measure(folder: Path) -> dict[str, float]:
    with start_process(quota_per_minute=0) as sandbox:
        account = sell(sandbox, INVOICES, {"standard": 0.5, "multi_line": 0.5})
        settings = marketplace_settings(sandbox.url, account, folder)
        settings = msgspec.structs.replace(settings, sections=SECTIONS)
        with Connector(settings) as connector:
            connector.sync(report=False)
            orders = connector.store.list_orders(OrderFilter(limit=INVOICES))
            for one in orders:
                sandbox.ship(one.order.marketplace_order_id, carrier="DPD", tracking_number="1")
            sandbox.advance(minutes=30)
            # shipped at Lengow; the round that learns of it is not to issue
            quiet = msgspec.structs.replace(settings, sections={})
            with Connector(quiet) as other:
                other.sync(report=False)
            return _issue(connector, [one.order.id for one in orders])


def _issue(connector: Connector, order_ids: list[int]) -> dict[str, float]:
    invoicing = invoice_settings(connector.settings)
    assert invoicing is not None
    ledger = Ledger(connector.settings.store.url)
    issuer = Issuer(connector.context, ledger, invoicing, "main")
    assert issuer.issue(order_ids[0]) == 1, "fonts and schema are read once, before the clock starts"
    start, busy = time.perf_counter(), time.process_time()
    issued = sum(issuer.issue(order_id) for order_id in order_ids[1:])
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    assert issued == len(order_ids) - 1 == INVOICES - 1
    found = ledger.document(1)
    assert found is not None
    ledger.close()
    per_second = {"per_second": round(issued / busy, 1), "per_second_by_the_clock": round(issued / seconds, 1)}
    return {**per_second, "kilobytes": round(len(found[1]) / 1024, 1)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_measure(Path(folder))))
