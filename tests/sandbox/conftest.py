from datetime import UTC, datetime

import pytest
import requests

from lengow.sandbox import Sandbox

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


class Api:
    """A merchant's client of Lengow, as naive as can be."""

    def __init__(self, sandbox, account):
        self.sandbox, self.account = sandbox, account
        self.session = requests.Session()
        self.log_in()

    def log_in(self):
        keys = {"access_token": self.account.access_token, "secret": self.account.secret}
        self.session.headers["Authorization"] = self.post("/access/get_token", data=keys).json()["token"]

    def get(self, path, **params):
        return self.session.get(self.sandbox.url + path, params={"account_id": self.account.account_id, **params})

    def post(self, path, **content):
        return self.session.post(self.sandbox.url + path, **content)

    def orders(self, **filters):
        answer = self.get("/v3.0/orders/", **filters)
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    def order(self, order_id):
        [order] = self.orders(marketplace_order_id=order_id)
        return order

    def act(self, order_id, action_type, marketplace="manomano_fr", **arguments):
        return self.post("/v3.0/orders/actions/", data=self.action(order_id, action_type, marketplace, **arguments))

    def action(self, order_id, action_type, marketplace="manomano_fr", **arguments):
        return {
            "account_id": self.account.account_id,
            "marketplace": marketplace,
            "marketplace_order_id": order_id,
            "action_type": action_type,
            **arguments,
        }

    def ship(self, order_id, **arguments):
        return self.act(order_id, "ship", **{"carrier": "DPD", "tracking_number": "T1", **arguments})

    def set_merchant_ids(self, order_id, ids, marketplace="manomano_fr", method="PATCH"):
        body = {
            "account_id": self.account.account_id,
            "marketplace": marketplace,
            "marketplace_order_id": order_id,
            "merchant_order_id": ids,
        }
        return self.session.request(method, self.sandbox.url + "/v3.0/orders/moi/", json=body)

    def sells(self, kind="standard", **options):
        """The id of one order that Lengow has collected."""
        [order_id] = self.sandbox.sell(self.account.account_id, 1, {kind: 1}, **options)
        self.sandbox.advance(minutes=15)
        return order_id


@pytest.fixture
def sandbox():
    with Sandbox(quota_per_minute=0, start=START) as running:
        yield running


@pytest.fixture
def account(sandbox):
    return sandbox.add_account("main")


@pytest.fixture
def api(sandbox, account):
    client = Api(sandbox, account)
    yield client
    client.session.close()


@pytest.fixture
def api_of(sandbox):
    """Makes clients of further accounts."""
    clients = []

    def make(name):
        clients.append(Api(sandbox, sandbox.add_account(name)))
        return clients[-1]

    yield make
    for client in clients:
        client.session.close()
