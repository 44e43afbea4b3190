"""Lengow's calls by name, against the sandbox; and what stays out of them: netrc, proxies that are not asked for."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from scripted_lengow import reply, serving

from lengow.connector.client.answers import Action
from lengow.connector.errors import ApiRefused, ApiUnavailable, MalformedAnswer, NotFound
from lengow.connector.secret import Secret
from lengow.sandbox import Sandbox

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def sandbox():
    with Sandbox(quota_per_minute=0, start=START) as one:
        yield one


@pytest.fixture
def account(sandbox):
    return sandbox.add_account("main")


@pytest.fixture
def client(make_client, sandbox, account):
    return make_client(
        sandbox.url, access_token=Secret(account.access_token), secret=Secret(account.secret), clock=lambda: START
    )


def names(page):
    return [msgspec.json.decode(raw)["marketplace_order_id"] for raw in page.results]


class TestOrders:
    def test_come_page_by_page_each_as_the_bytes_it_came_in(self, client, sandbox, account):
        sold = sandbox.sell(account.account_id, 7)
        sandbox.advance(minutes=15)
        pages = [client.orders_page(number, page_size=3) for number in (1, 2, 3)]
        assert [page.count for page in pages] == [7, 7, 7]
        assert [page.next is None for page in pages] == [False, False, True]
        assert sorted(name for page in pages for name in names(page)) == sorted(sold)

    def test_changed_in_a_window(self, client, sandbox, account):
        sandbox.sell(account.account_id, 2)
        between = sandbox.advance(minutes=20)
        late = sandbox.sell(account.account_id, 1)
        sandbox.advance(minutes=20)
        assert client.orders_page(1, updated_from=between, updated_to=between + timedelta(days=1)).count == 1
        assert names(client.orders_page(1, updated_from=between)) == late
        assert client.orders_page(1, updated_to=between).count == 2

    def test_ordered_in_a_window(self, client, sandbox, account):
        [early] = sandbox.sell(account.account_id, 1, ordered_at=START - timedelta(days=2))
        sandbox.sell(account.account_id, 1)
        sandbox.advance(minutes=15)
        bounds = {"ordered_from": START - timedelta(days=3), "ordered_to": START - timedelta(days=1)}
        assert names(client.orders_page(1, **bounds)) == [early]

    def test_of_one_marketplace(self, client, sandbox, account):
        sandbox.sell(account.account_id, 2)
        [spanish] = sandbox.sell(account.account_id, 1, marketplace="manomano_es")
        sandbox.advance(minutes=15)
        assert names(client.orders_page(1, filters={"marketplace": "manomano_es"})) == [spanish]

    def test_one_by_name_or_none(self, client, sandbox, account):
        [name] = sandbox.sell(account.account_id, 1)
        sandbox.advance(minutes=15)
        assert names(client.order("manomano_fr", name)) == [name]
        assert client.order("manomano_fr", "M0").results == []


@pytest.mark.parametrize(("convert", "sent"), [(False, "1"), (True, "0")])
def test_every_filter_reaches_lengow_under_its_own_name(make_client, convert, sent):
    with serving() as lengow:
        lengow.answers("GET", "/v3.0/orders/", reply({"count": 0, "results": [], "next": None, "previous": None}))
        make_client(lengow.url).orders_page(
            3,
            updated_from=datetime(2026, 9, 1, 8, tzinfo=UTC),
            updated_to=datetime(2026, 9, 1, 9, tzinfo=UTC),
            ordered_from=datetime(2026, 8, 1, tzinfo=UTC),
            ordered_to=datetime(2026, 8, 2, tzinfo=UTC),
            filters={"lengow_status": "waiting_shipment", "catalog_ids": "12,34", "merchant_order_id": "None"},
            page_size=50,
            convert_currency=convert,
        )
        [call] = lengow.calls_of("GET", "/v3.0/orders/")
    assert call.query == {
        "account_id": "4242",
        "page": "3",
        "page_size": "50",
        "updated_from": "2026-09-01T08:00:00+00:00",
        "updated_to": "2026-09-01T09:00:00+00:00",
        "marketplace_order_date_from": "2026-08-01T00:00:00+00:00",
        "marketplace_order_date_to": "2026-08-02T00:00:00+00:00",
        "lengow_status": "waiting_shipment",
        "catalog_ids": "12,34",
        "merchant_order_id": "None",
        "no_currency_conversion": sent,
    }


class TestMerchantOrderIds:
    def test_are_seen_in_the_order_afterwards_and_replace_the_former_ones(self, client, sandbox, account):
        [name] = sandbox.sell(account.account_id, 1)
        sandbox.advance(minutes=15)
        client.set_merchant_order_ids("manomano_fr", name, ["1"])
        client.set_merchant_order_ids("manomano_fr", name, ["1001", "1002"])
        [raw] = client.order("manomano_fr", name).results
        assert msgspec.json.decode(raw)["merchant_order_id"] == ["1001", "1002"]

    def test_of_an_unknown_order_are_not_found(self, client):
        with pytest.raises(NotFound, match="Pas trouvé"):
            client.set_merchant_order_ids("manomano_fr", "M0", ["1"])


class TestActions:
    ARGUMENTS = {"carrier": "DPD", "tracking_number": "T1"}  # noqa: RUF012

    def test_are_listed_with_the_arguments_that_were_sent(self, client, sandbox, account):
        [name] = sandbox.sell(account.account_id, 1)
        sandbox.advance(minutes=15)
        number = client.post_action("manomano_fr", name, "ship", self.ARGUMENTS)
        [listed] = client.actions_of("manomano_fr", name)
        assert (listed.id, listed.action_type, listed.marketplace_order_id) == (number, "ship", name)
        assert listed.arguments.items() >= self.ARGUMENTS.items()
        assert (listed.queued, listed.processed, listed.error_text) == (True, False, "")

    def test_are_read_through_all_pages(self, make_client):
        with serving() as lengow:
            pages = [
                reply({"results": [{"id": number}], "next": "more" if number < 3 else None}) for number in (1, 2, 3)
            ]
            lengow.answers("GET", "/v3.0/orders/actions/", *pages)
            found = make_client(lengow.url).actions_updated(START, START + timedelta(hours=1))
            assert [action.id for action in found] == [1, 2, 3]
            queries = [call.query for call in lengow.calls_of("GET", "/v3.0/orders/actions/")]
        assert [query["page"] for query in queries] == ["1", "2", "3"]
        assert {query["updated_from"] for query in queries} == {"2026-09-01T08:00:00+00:00"}

    def test_a_list_that_never_ends_is_read_up_to_its_first_empty_page(self, make_client):
        with serving() as lengow:
            lengow.answers(
                "GET",
                "/v3.0/orders/actions/",
                reply({"results": [{"id": 1}], "next": "more"}),
                reply({"results": [], "next": "more"}),
            )
            assert [action.id for action in make_client(lengow.url).actions_of("manomano_fr", "M1")] == [1]

    def test_that_the_marketplace_cannot_take_are_refused_with_the_field(self, client, sandbox, account):
        [name] = sandbox.sell(account.account_id, 1)
        sandbox.advance(minutes=15)
        with pytest.raises(ApiRefused) as refused:
            client.post_action("manomano_fr", name, "ship", {"carrier": "PIGEON", "tracking_number": "T1"})
        assert "carrier" in refused.value.fields

    @pytest.mark.parametrize(
        ("errors", "text"),
        [
            pytest.param(None, "", id="null"),
            pytest.param("", "", id="empty"),
            pytest.param(" Unknown parcel \n", "Unknown parcel", id="text"),
            pytest.param(["a", "b"], "['a', 'b']", id="list"),
        ],
    )
    def test_tell_their_errors_in_any_form(self, make_client, errors, text):
        with serving() as lengow:
            lengow.answers(
                "GET", "/v3.0/orders/actions/", reply({"results": [{"id": 1, "errors": errors}], "next": None})
            )
            [action] = make_client(lengow.url).actions_of("manomano_fr", "M1")
        assert action.error_text == text

    def test_keep_what_else_lengow_tells_as_texts(self, make_client):
        entry = {
            "id": 1,
            "account_id": 4242,
            "created_at": "2026-09-01T08:00:00Z",
            "carrier": "DPD",
            "weight": 2.5,
            "line": None,
            "comment": "",
            "arguments": {"odd": 1},
        }
        with serving() as lengow:
            lengow.answers("GET", "/v3.0/orders/actions/", reply({"results": [entry], "next": None}))
            [action] = make_client(lengow.url).actions_of("manomano_fr", "M1")
        assert action == Action(1, arguments={"carrier": "DPD", "weight": "2.5"})

    @pytest.mark.parametrize(
        "entry",
        [
            pytest.param({}, id="no id"),
            pytest.param({"id": "one"}, id="id is a text"),
            pytest.param({"id": 1, "queued": "yes"}, id="queued is a text"),
            pytest.param({"id": 1, "marketplace": None}, id="marketplace is null"),
        ],
    )
    def test_that_cannot_be_read_are_malformed(self, make_client, entry):
        with serving() as lengow:
            lengow.answers("GET", "/v3.0/orders/actions/", reply({"results": [entry], "next": None}))
            with pytest.raises(MalformedAnswer):
                list(make_client(lengow.url).actions_of("manomano_fr", "M1"))


def test_marketplaces_come_by_their_keys_each_as_bytes(client):
    described = client.marketplaces()
    assert sorted(described) == ["darty_fr", "decathlon_fr", "fnac_fr", "manomano_es", "manomano_fr"]
    assert msgspec.json.decode(described["manomano_fr"])["name"] == "ManoMano FR"


def test_me_tells_the_account_and_the_tokens_end(client, account):
    told = client.me()
    assert told["account_id"] == account.account_id == client.account_id()
    assert datetime.fromisoformat(told["expire_at"]) > START


def test_rate_limits_tell_the_credit_of_each_route(client, sandbox):
    sandbox.configure(quota_per_minute=500)
    client.orders_page(1)
    assert client.rate_limits()["/v3.0/orders"]["remaining_credit"] == 499


class TestLengowsClock:
    def test_is_this_machines_before_any_answer(self, make_client):
        assert abs(make_client("http://127.0.0.1:9").now() - datetime.now(UTC)) < timedelta(seconds=5)

    def test_is_learnt_from_each_answer(self, client, sandbox):
        client.me()
        assert abs(client.now() - sandbox.now()) < timedelta(seconds=5)
        sandbox.advance(hours=11)
        client.me()
        assert abs(client.now() - sandbox.now()) < timedelta(seconds=5)

    @pytest.mark.parametrize("hours", [-11, -2, 0, 2, 23])
    def test_is_followed_wherever_this_machines_clock_stands(self, make_client, hours):
        with serving() as lengow:
            lengow.answers("GET", "/me", reply({}, Date="Tue, 01 Sep 2026 08:00:00 GMT"))
            client = make_client(lengow.url, clock=lambda: START + timedelta(hours=hours))
            client.me()
        assert abs(client.now() - START) < timedelta(seconds=5)

    @pytest.mark.parametrize("date", ["Sat, 01 Jan 2050 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
    def test_is_not_believed_when_it_is_far_from_this_machines(self, make_client, caplog, date):
        with serving() as lengow:
            lengow.answers("GET", "/me", reply({}, Date=date))
            client = make_client(lengow.url, clock=lambda: START)
            client.me()
            client.me()
        assert client.now() == START
        assert abs(client.skew()) > timedelta(days=365)
        assert [one.message for one in caplog.records].count("Lengow's clock is not believed") == 1

    @pytest.mark.parametrize(
        "date",
        [
            pytest.param("Tue, 01 Sep 2026 08:00:00 GMT", id="GMT"),
            pytest.param("Tue, 01 Sep 2026 08:00:00 -0000", id="minus zero"),
        ],
    )
    def test_is_universal_time(self, make_client, date):
        with serving() as lengow:
            lengow.answers("GET", "/me", reply({}, Date=date))
            client = make_client(lengow.url, clock=lambda: START + timedelta(hours=3))
            client.me()
        assert abs(client.now() - START) < timedelta(seconds=5)

    @pytest.mark.parametrize(
        "date",
        [
            "yesterday",
            "Tue, 01 Sep 20266 08:00:00 GMT",
            "Sat, 01 Jan 0001 00:00:00 +2359",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            "Tue, 01 Sep 2026 08:00:00 +99999999999999999999",
            "Tue, 99 Sep 2026 08:00:00 GMT",
        ],
    )
    def test_an_odd_date_stops_nothing(self, make_client, date):
        with serving() as lengow:
            lengow.answers("GET", "/me", reply({"account_id": 1}, Date=date))
            client = make_client(lengow.url)
            assert client.me() == {"account_id": 1}
            assert client.now().tzinfo is UTC


class TestTheEnvironment:
    def test_a_netrc_does_not_replace_the_token(self, make_client, tmp_path, monkeypatch):
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login eve password guess\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        with serving() as lengow:
            make_client(lengow.url).me()
            assert [call.headers.get("authorization") for call in lengow.calls] == [None, "token-1"]

    def test_its_proxy_is_used(self, make_client, monkeypatch):
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with serving() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            make_client("http://lengow.invalid").me()
            assert {call.headers["host"] for call in proxy.calls} == {"lengow.invalid"}

    def test_no_proxy_is_heeded(self, make_client, monkeypatch):
        with serving() as proxy, serving() as lengow:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            make_client(lengow.url).me()
            assert (len(proxy.calls), len(lengow.calls)) == (0, 2)

    def test_a_redirect_does_not_carry_the_token_away(self, make_client):
        with serving() as elsewhere, serving() as lengow:
            lengow.answers("GET", "/me", reply({}, 302, Location=elsewhere.url + "/me"))
            with pytest.raises(ApiUnavailable):
                make_client(lengow.url).me()
            assert elsewhere.calls == []
