"""Lengow on your own machine, as strict as the real one, with ManoMano behind it and failures on demand.

    with Sandbox() as sandbox:
        account = sandbox.add_account("main")
        sandbox.sell(account.account_id, 20)
        sandbox.advance(minutes=15)              # Lengow collects them
        ...                                      # a connector reads sandbox.url
        sandbox.ledger()                         # what was sold, and what the marketplace was told

It imports no other package of this project: it is the other side, and must not share our mistakes.
"""

from lengow.sandbox.access import Account
from lengow.sandbox.catalogue import Product, catalogue
from lengow.sandbox.command import main
from lengow.sandbox.control import Controls, SandboxControl
from lengow.sandbox.errors import SandboxError
from lengow.sandbox.faults import Fault
from lengow.sandbox.generator import KINDS
from lengow.sandbox.ledger import Ledger, Rejection, SoldLine, SoldOrder, Told
from lengow.sandbox.process import start_process
from lengow.sandbox.reconciliation import Finding, HeldOrder, Reconciliation, ShopHoldings, Tracking, reconcile
from lengow.sandbox.sandbox import Sandbox

__all__ = [
    "Account",
    "Controls",
    "Fault",
    "Finding",
    "HeldOrder",
    "KINDS",
    "Ledger",
    "Product",
    "Reconciliation",
    "Rejection",
    "Sandbox",
    "SandboxControl",
    "SandboxError",
    "ShopHoldings",
    "SoldLine",
    "SoldOrder",
    "Told",
    "Tracking",
    "catalogue",
    "main",
    "reconcile",
    "start_process",
]
