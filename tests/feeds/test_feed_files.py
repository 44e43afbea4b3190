"""Feed files beside Python's csv, compared with each other, and served over HTTP."""

import csv
import gzip
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from lengow import feeds
from lengow.connector.errors import SettingsError
from lengow.feeds.formats import FORMATS
from lengow.feeds.serving import url_path
from tests.feeds.conftest import FeedMerchant, product

Make = Callable[..., FeedMerchant]
SECRET = "0123456789abcdef-secret"
ANY = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["", '"', "|", "\r\n", 'a"b', " x", "é|\n"])


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[ANY] * width), min_size=1, max_size=6)))
@settings(max_examples=300, deadline=None)
def test_csv_is_what_pythons_writer_writes(rows: list[tuple[str, ...]]) -> None:
    header = tuple(f"c{number}" for number in range(len(rows[0])))
    expected = io.StringIO()
    csv.writer(expected, delimiter="|").writerows(rows)
    assert FORMATS["csv"].lines(header, rows) == expected.getvalue()


@pytest.mark.parametrize("form", FORMATS)
@given(
    st.lists(
        st.tuples(
            st.text("AB12-", min_size=1, max_size=5), st.text(st.characters(codec="utf-8", exclude_categories=("C",)))
        ),
        max_size=5,
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(form: str, rows: list[tuple[str, str]]) -> None:
    rows = [(sku, " ".join(text.split())) for sku, text in rows]
    one = FORMATS[form]
    header = ("sku", "title")
    text = one.head(header) + (one.lines(header, rows) if rows else "") + one.foot
    read = [(offer["sku"], offer.get("title", "")) for offer in one.read(io.StringIO(text, newline=""))]
    assert read == rows
    assert text.count("\n") == len(rows) + one.head(header).count("\n") + one.foot.count("\n")


@pytest.mark.parametrize("form", ["csv", "xml", "jsonl"])
def test_two_builds_are_compared(make_feeds: Make, form: str) -> None:
    merchant = make_feeds(feed={"format": form, "collapse_guard": 1, "gzip": True})
    merchant.build(product("A"), product("B"), product("C"))
    new = merchant.folder / f"feed.{form}"
    old = new.rename(merchant.folder / f"old.{form}.gz")
    merchant.build(product("B", stock=7), product("C"), product("D"))
    assert list(feeds.diff(old, new)) == [
        feeds.Change("changed", "B", {"stock": ("5", "7")}),
        feeds.Change("added", "D"),
        feeds.Change("removed", "A"),
    ]
    assert list(feeds.diff(new, new)) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", b"sku|title\r\nA\r\n"),
        ("x.csv", b"title\r\nA\r\n"),
        ("x.csv", b"\xff\xfe\x00"),
        ("x.csv", gzip.compress(b"sku|title\r\nA|B\r\n", mtime=0)[:20]),
        ("x.xml", b"<product><sku>A</product>\n"),
        ("x.xml", b'<product><!DOCTYPE a [<!ENTITY b "c">]><sku>&b;</sku></product>\n'),
        ("x.jsonl", b'{"sku": 5}\n'),
        ("x.pdf", b""),
    ],
)
def test_what_is_no_feed_is_told_apart(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(feeds.FeedUnreadable):
        list(feeds.diff(tmp_path / name, tmp_path / name))


class Client:
    """Flask's, reading each answer to its end as a server does."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def get(self, path: str, **options: Any) -> Any:
        return self._client.get(path, buffered=True, **options)

    def head(self, path: str) -> Any:
        return self._client.head(path, buffered=True)


@pytest.fixture
def served(make_feeds: Make) -> tuple[FeedMerchant, Any]:
    merchant = make_feeds(feed={"secret": SECRET}, closed={"marketplace": "other"})
    merchant.build(product("A"))
    merchant.build(product("A"), name="closed")
    app = Flask(__name__)
    app.register_blueprint(feeds.blueprint(merchant.connector.settings), url_prefix="/lengow")
    return merchant, Client(app)


def test_a_feed_is_served_under_its_secret_url(served: tuple[FeedMerchant, Any]) -> None:
    merchant, client = served
    answer = client.get(f"/lengow/feeds/feed/{SECRET}/feed.csv")
    assert answer.status_code == 200
    assert answer.data == (merchant.folder / "feed.csv").read_bytes()
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Length"] == str(len(answer.data))
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert client.head(f"/lengow/feeds/feed/{SECRET}/feed.csv").status_code == 200


def test_what_is_known_already_is_not_sent_again(served: tuple[FeedMerchant, Any]) -> None:
    merchant, client = served
    url = f"/lengow/feeds/feed/{SECRET}/feed.csv"
    first = client.get(url)
    by_etag = {"If-None-Match": first.headers["ETag"]}
    assert client.get(url, headers=by_etag).status_code == 304
    assert client.get(url, headers={"If-Modified-Since": first.headers["Last-Modified"]}).status_code == 304
    merchant.build(product("A", stock=6))
    again = client.get(url, headers=by_etag)
    assert (again.status_code, again.data) == (200, (merchant.folder / "feed.csv").read_bytes())


def test_a_part_of_a_feed_can_be_asked_for(served: tuple[FeedMerchant, Any]) -> None:
    merchant, client = served
    part = client.get(f"/lengow/feeds/feed/{SECRET}/feed.csv", headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.data) == (206, (merchant.folder / "feed.csv").read_bytes()[2:6])


def test_a_reader_that_goes_on_with_an_old_file_gets_the_new_one_whole(served: tuple[FeedMerchant, Any]) -> None:
    merchant, client = served
    url = f"/lengow/feeds/feed/{SECRET}/feed.csv"
    old = client.get(url).headers["ETag"]
    assert client.get(url, headers={"Range": "bytes=5-", "If-Range": old}).status_code == 206
    merchant.build(product("A"), product("B"))
    whole = client.get(url, headers={"Range": "bytes=5-", "If-Range": old})
    assert (whole.status_code, whole.data) == (200, (merchant.folder / "feed.csv").read_bytes())


@pytest.mark.parametrize(
    "asked",
    ["bytes=999999-", "bytes=5-2", "bytes=-0", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=" + "0-1," * 5000],
)
def test_a_part_that_there_is_not_is_refused_or_all_is_sent(served: tuple[FeedMerchant, Any], asked: str) -> None:
    merchant, client = served
    answer = client.get(f"/lengow/feeds/feed/{SECRET}/feed.csv", headers={"Range": asked})
    assert answer.status_code in (200, 416)
    if answer.status_code == 200:
        assert answer.data == (merchant.folder / "feed.csv").read_bytes()


def test_head_tells_the_length_and_sends_nothing(served: tuple[FeedMerchant, Any]) -> None:
    _, client = served
    url = f"/lengow/feeds/feed/{SECRET}/feed.csv"
    head, got = client.head(url), client.get(url)
    assert (head.status_code, head.data) == (200, b"")
    for name in ("Content-Length", "ETag", "Last-Modified", "Content-Type"):
        assert head.headers[name] == got.headers[name]
    assert got.headers["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_a_feed_is_only_read(served: tuple[FeedMerchant, Any], method: str) -> None:
    answer = getattr(served[1]._client, method)(f"/lengow/feeds/feed/{SECRET}/feed.csv")
    assert answer.status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        f"feed/{SECRET}/../feed.csv",
        f"feed/{SECRET}/..%2f..%2flengow.db",
        f"feed/{SECRET}/%2e%2e",
        f"../feed/{SECRET}/feed.csv%00",
        f"feed/{SECRET}%00/feed.csv",
        f"feed/%e9{SECRET}%ff/feed.csv",
        f"FEED/{SECRET}/feed.csv",
        f"feed/{SECRET}x/feed.csv",
        f"feed/{SECRET[:-1]}/feed.csv",
        "feed/é/feed.csv",
        f"feed/{SECRET}/feed.xml",
        f"nothing/{SECRET}/feed.csv",
        f"closed/{SECRET}/feed.csv",
        f"nothing/{'-' * 48}/feed.csv",
        f"feed/{SECRET}/..%2flengow.toml",
    ],
)
def test_nobody_learns_which_feeds_there_are(served: tuple[FeedMerchant, Any], path: str) -> None:
    assert served[1].get(f"/lengow/feeds/{path}").status_code == 404


def test_a_feed_that_is_not_built_yet_is_not_found(make_feeds: Make) -> None:
    merchant = make_feeds(feed={"secret": SECRET, "gzip": True})
    app = Flask(__name__)
    app.register_blueprint(feeds.blueprint(merchant.connector.settings))
    url = url_path("feed", feeds.read_feeds(merchant.connector.settings)["feed"])
    assert Client(app).get(url).status_code == 404
    merchant.build(product())
    answer = Client(app).get(url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/gzip")
    assert b"DRILL-18V" in gzip.decompress(answer.data)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"shop": "nowhere"}, "not among the shops"),
        ({"marketplace": ""}, "feeds.feed.marketplace is missing"),
        ({"programme": "express"}, "feeds.feed.programme"),
        ({"formatt": "csv"}, "formatt"),
        ({"images": 11}, "from 0 to 10"),
        ({"collapse_guard": 30}, "from 0 to 1"),
        ({"booleans": ["1", "1"]}, "two different words"),
        ({"secret": "short"}, "shorter than 16"),
        ({"secret": "with/slash-and-more"}, "part of a URL"),
        ({"attributes": {"Poids net": "1"}}, "Poids net"),
        ({"attributes": {"title": "{titel}"}}, "{titel} is no field"),
        ({"attributes": {"title": "{title"}}, "not a template"),
        ({"attributes": {"title": "{title!r}"}}, "not understood"),
        ({"attributes": {"title": "{title.__class__}"}}, "is no field"),
        ({"mandatory": ["colour"]}, "no column"),
        ({"optional": ["sku"]}, "cannot be sold"),
        ({"filter": "stok > 0"}, "did you mean stock"),
    ],
)
def test_a_mistake_in_the_settings_is_named(make_feeds: Make, table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        make_feeds(feed=table)
    assert sentence in str(refusal.value)
    assert "feed" in str(refusal.value)


@pytest.mark.parametrize("other", ["x.csv", "./x.csv", "sub/../x.csv"])
def test_two_feeds_cannot_have_one_file(make_feeds: Make, other: str) -> None:
    with pytest.raises(SettingsError, match="have the same path"):
        make_feeds(one={"path": "x.csv"}, other={"path": other})


def test_a_feed_does_not_take_the_place_of_the_store(make_feeds: Make, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the store's own file"):
        make_feeds(feed={"path": "lengow.db"})


SETTINGS = """
[accounts.main]
access_token = "t"
secret = "s"

[shops.b2c]
account = "main"
platform = "woocommerce"
url = "{url}"
consumer_key = "{key}"
consumer_secret = "{secret}"

[feeds.manomano]
shop = "b2c"
marketplace = "manomano_fr"
path = "out/manomano.csv"
optional = ["ean", "brand", "image_url_1"]
secret = "{feed_secret}"
"""


@pytest.fixture
def shop_folder(tmp_path: Path) -> Any:
    from lengow.sandbox.shops.woocommerce import KEY, WooCommerceShop

    shop = WooCommerceShop()
    shop.add_product("PLATE", "20.75", 5)
    shop.add_product("BOWL", "9.99", None)
    text = SETTINGS.format(url=shop.url, key=KEY.consumer_key, secret=KEY.consumer_secret, feed_secret=SECRET)
    (tmp_path / "lengow.toml").write_text(text)
    yield tmp_path
    shop.close()


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lengow-connector"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)


def test_the_command_line_builds_checks_and_compares(shop_folder: Path) -> None:
    dry = run(shop_folder, "feed", "build", "--dry-run")
    assert (dry.returncode, (shop_folder / "out/manomano.csv").exists()) == (0, False), dry.stderr
    checked = run(shop_folder, "feed", "check", "--format", "csv")
    assert checked.returncode == 3
    [row] = csv.DictReader(checked.stdout.splitlines())
    assert (row["sku"], row["attribute"], row["code"], row["left_out"]) == ("BOWL", "stock", "missing", "True")
    built = run(shop_folder, "feed", "build", "manomano", "--json")
    assert built.returncode == 0, built.stderr
    assert '"left_out": 1' in built.stdout
    file = shop_folder / "out/manomano.csv"
    assert [row["sku"] for row in csv.DictReader(file.read_text().splitlines(), delimiter="|")] == ["PLATE"]
    (shop_folder / "old.csv").write_text(file.read_text().replace("|5|", "|6|"))
    compared = run(shop_folder, "feed", "diff", "old.csv", "out/manomano.csv")
    assert "0 added, 0 removed, 1 changed." in compared.stdout
    assert "not built" not in run(shop_folder, "feed", "list").stdout
    assert run(shop_folder, "feed", "url", "manomano").stdout == f"/feeds/manomano/{SECRET}/feed.csv\n"
    assert run(shop_folder, "feed", "build", "nothing").returncode == 2


def test_products_come_from_a_file_too(tmp_path: Path) -> None:
    text = SETTINGS.replace('platform = "woocommerce"', 'platform = "generic"').format(
        url="", key="", secret="", feed_secret=SECRET
    )
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("url", "consumer")))
    (tmp_path / "lengow.toml").write_text(text)
    one = {"id": "1", "sku": "A", "title": "Drill", "price": "9.90", "currency": "EUR", "stock": 2}
    (tmp_path / "products.jsonl").write_text(f"{json.dumps(one)}\n")
    done = run(tmp_path, "feed", "build", "manomano", "--products", "products.jsonl")
    assert done.returncode == 0, done.stderr
    [row] = csv.DictReader((tmp_path / "out/manomano.csv").read_text().splitlines(), delimiter="|")
    assert (row["sku"], row["price"], row["stock"]) == ("A", "9.90", "2")
    (tmp_path / "products.jsonl").write_text('{"id": 1}\n')
    refused = run(tmp_path, "feed", "check", "manomano", "--products", "products.jsonl")
    assert (refused.returncode, "Line 1 of products.jsonl is no product" in refused.stderr) == (3, True)
    assert run(tmp_path, "feed", "build", "--products", "products.jsonl").returncode == 2


def test_serve_mounts_the_feeds(shop_folder: Path) -> None:
    assert run(shop_folder, "feed", "build").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "lengow-connector"), "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=shop_folder, stderr=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stderr is not None
        assert "Serving" in server.stderr.readline()
        url = f"http://127.0.0.1:{port}/feeds/manomano/{SECRET}/feed.csv"
        answer = requests.get(url, timeout=60)
        assert answer.content == (shop_folder / "out/manomano.csv").read_bytes()
        assert requests.get(url, headers={"If-None-Match": answer.headers["ETag"]}, timeout=60).status_code == 304
        server.terminate()
        server.communicate(timeout=60)
