"""docs/invoices.md names everything that there is, and its examples run."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from mail_server import MailServer

from lengow.invoices import InvoiceSettings, InvoiceState, Seller, ShopInvoices
from lengow.invoices.settings import invoice_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/invoices.md").read_text(encoding="utf-8")


def codes() -> set[str]:
    """Those that InvoiceHeld is raised with."""
    found = set()
    for file in (ROOT / "invoices").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InvoiceHeld":
                found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return found


@pytest.mark.parametrize(
    "name",
    sorted(
        {*InvoiceSettings.__struct_fields__, *Seller.__struct_fields__, *ShopInvoices.__struct_fields__, *codes()}
        | set(InvoiceState)
    ),
)
def test_each_setting_state_and_reason_is_explained(name: str) -> None:
    assert re.search(rf"^\|[^|]*`{name}`", PAGE, re.MULTILINE)


def test_the_settings_shown_are_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lengow.connector import Settings

    monkeypatch.setenv("SMTP_PASSWORD", "secret")
    text = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
    base = '[accounts.main]\naccess_token = "a"\nsecret = "b"\n[shops.b2c]\naccount = "main"\nplatform = "generic"\n'
    read = invoice_settings(Settings.from_dict(tomllib.loads(base + text), base=tmp_path))
    assert read is not None
    assert read.shops["b2c"].send == "on_shipment"


def test_the_python_shown_runs(seller: Any, server: MailServer, tmp_path: Path) -> None:
    account = seller.account
    (tmp_path / "lengow.toml").write_text(
        f"""
        [store]
        url = "{seller.connector.settings.store.url}"
        [accounts.main]
        access_token = "{account.access_token}"
        secret = "{account.secret}"
        base_url = "{seller.sandbox.url}"
        [shops.b2c]
        account = "main"
        platform = "generic"
        [invoices.shops.b2c]
        mail = false
        [invoices.seller]
        name = "Outillage Martin"
        address = ["1 rue du Port"]
        zipcode = "33000"
        city = "Bordeaux"
        siren = "732829320"
        vat_number = "FR44732829320"
        """,
        encoding="utf-8",
    )
    order_id = seller.sells_raw({"total_order": 1, "total_tax": 0})
    seller.sync()
    seller.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="1")
    seller.sync()
    seller.sandbox.advance(hours=1)
    seller.sync()
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "host.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "host.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"main/manomano_fr/{order_id} held totals_differ ")
