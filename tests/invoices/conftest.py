from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mail_server import MailServer, mail_server
from selling import invoicing

from lengow.connector.mail import Mail


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def make_seller(make_merchant: Callable[..., Any], server: MailServer) -> Callable[..., Any]:
    """A merchant whose shop invoices; keywords are those of `invoicing`. Its first round is behind it."""

    def make(*, name: str = "main", **options: Any) -> Any:
        merchant = make_merchant(
            name=name,
            sections=invoicing(**options),
            mail=Mail(host="127.0.0.1", port=server.port, security="none", sender="Martin <shop@martin.example>"),
        )
        merchant.sync()
        return merchant

    return make


@pytest.fixture
def seller(make_seller: Callable[..., Any]) -> Any:
    return make_seller()
