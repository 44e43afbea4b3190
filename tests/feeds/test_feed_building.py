"""A feed as Lengow reads it: what is in it, what is left out and why, and when the old file stays."""

import gzip
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from flask import Flask

from lengow import feeds
from lengow.connector import Settings
from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.errors import SettingsError, ShopUnavailable
from lengow.feeds.files import Draft, held
from tests.feeds.conftest import FeedMerchant, product

Make = Callable[..., FeedMerchant]


def test_an_offer_has_the_usual_attributes(make_feeds: Make) -> None:
    merchant = make_feeds()
    merchant.build(
        product(
            price=Decimal("99.9"),
            price_before=Decimal("120"),
            tax_rate=Decimal("20.00"),
            weight=Decimal("1.850"),
            shipping_cost=Decimal("4.9"),
            images=("https://cdn.example.com/1.jpg", "https://cdn.example.com/2.jpg"),
        )
    )
    [offer] = merchant.offers()
    expected = {
        "sku": "DRILL-18V",
        "id": "id-DRILL-18V",
        "ean": "4006381333931",
        "title": "Drill 18 V",
        "brand": "Acme",
        "price": "99.90",
        "price_before": "120.00",
        "currency": "EUR",
        "tax_rate": "20",
        "stock": "5",
        "weight": "1.85",
        "shipping_cost": "4.90",
        "image_url_1": "https://cdn.example.com/1.jpg",
        "image_url_2": "https://cdn.example.com/2.jpg",
        "image_url_3": "",
        "weight_net": "1.4",
        "has_dluo": "false",
        "is_fragile": "true",
    }
    assert {name: offer[name] for name in expected} == expected


def test_both_programmes_have_the_same_columns(make_feeds: Make) -> None:
    merchant = make_feeds(one={"programme": "fulfilment", "filter": 'sku == "A"'}, other={})
    merchant.build(product("A"), product("B"))
    assert list(merchant.offers("one")[0]) == list(merchant.offers("other")[0])


def test_an_attribute_is_a_field_a_constant_or_a_template(make_feeds: Make) -> None:
    merchant = make_feeds(
        feed={
            "attributes": {
                "title": "{brand} {title}, {options.Colour}",
                "brand": "House brand",
                "stock": "{stock|10}",
                "shipping_cost": 4.9,
                "is_fragile": False,
                "weight_net": "{weight}",
                "my_column": "{attributes.Numéro de série}",
                "braces": "{{{sku}}}",
            },
            "weight_unit": "g",
            "booleans": ["1", "0"],
        }
    )
    merchant.build(
        product(stock=None, options={"Colour": "red"}, weight=Decimal("1.5"), attributes={"Numéro de série": "N 1"})
    )
    [offer] = merchant.offers()
    assert offer["title"] == "Acme Drill 18 V, red"
    assert (offer["brand"], offer["stock"], offer["shipping_cost"]) == ("House brand", "10", "4.90")
    assert (offer["is_fragile"], offer["weight_net"]) == ("0", "1500")
    assert (offer["my_column"], offer["braces"]) == ("N 1", "{DRILL-18V}")


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("csv", None),
        ("xml", lambda text: [{one.tag: one.text for one in row} for row in ElementTree.fromstring(text)]),
        ("jsonl", lambda text: [json.loads(line) for line in text.splitlines()]),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_each_format_holds_the_same_values(make_feeds: Make, form: str, read: Any, zipped: bool) -> None:
    title = 'Pipe 1/2" | 5 < 6 & "é" 😀'
    merchant = make_feeds(feed={"format": form, "gzip": zipped})
    merchant.build(product(title=title), product("B"))
    data = (merchant.folder / f"feed.{form}").read_bytes()
    text = (gzip.decompress(data) if zipped else data).decode()
    offers = read(text) if read else [dict(zip(*rows, strict=True)) for rows in _csv(text)]
    assert [offer["sku"] for offer in offers] == ["DRILL-18V", "B"]
    assert offers[0]["title"] == title


def _csv(text: str) -> Iterator[Any]:
    import csv

    header, *rows = csv.reader(text.splitlines(keepends=True), delimiter="|")
    return ((header, row) for row in rows)


@pytest.mark.parametrize(
    ("title", "written"),
    [
        pytest.param("Drill\x00 18\x07 V\x1b", "Drill 18 V", id="control characters"),
        pytest.param("Drill\r\n\t18\xa0V ", "Drill 18 V", id="line ends, tabs, hard blanks"),
        pytest.param("<b>Drill</b><br/>18&nbsp;V", "Drill 18 V", id="markup"),
        pytest.param("Drill<script>alert('1')</script> 18 V", "Drill 18 V", id="a script"),
        pytest.param("Drill &lt;b&gt;18&lt;/b&gt; V &amp; more", "Drill 18 V & more", id="markup as entities"),
        pytest.param("AT&T <3 5 < 6 > 4", "AT&T <3 5 < 6 > 4", id="signs that are no markup"),
        pytest.param("A\u202eB\ud800C\ufffe\u200bD", "ABCD", id="what turns text round, or is none"),
        pytest.param('=HYPERLINK("http://evil.example")', ' =HYPERLINK("http://evil.example")', id="a formula"),
        pytest.param("-50 % @home", " -50 % @home", id="a title that begins as a formula does"),
        pytest.param("<p>=1+1</p>", " =1+1", id="a formula in markup"),
    ],
)
def test_a_title_is_written_as_a_buyer_reads_it(make_feeds: Make, title: str, written: str) -> None:
    """A formula gets a blank before it: it is no formula then, and Lengow trims it. No apostrophe, which would stay."""
    merchant = make_feeds(feed={})
    merchant.build(product("A", title=title), product("B"))
    assert [offer["title"] for offer in merchant.offers()] == [written, "Drill 18 V"]


def test_only_a_csv_file_is_guarded_against_formulas(make_feeds: Make) -> None:
    merchant = make_feeds(feed={"format": "jsonl"})
    merchant.build(product(title="-50 %"))
    assert json.loads((merchant.folder / "feed.jsonl").read_text())["title"] == "-50 %"


@pytest.mark.parametrize(
    ("fields", "attribute", "code"),
    [
        ({"sku": ""}, "sku", "missing"),
        ({"sku": "=cmd|' /C calc'!A0"}, "sku", "formula"),
        ({"sku": "A\x00B"}, "sku", "unwritable"),
        ({"ean": ""}, "ean", "missing"),
        ({"ean": "4006381333932"}, "ean", "ean_check_digit"),
        ({"ean": "40063813339"}, "ean", "ean_length"),
        ({"ean": "٤٠٠٦٣٨١٣"}, "ean", "ean_length"),
        ({"title": "<p></p>"}, "title", "missing"),
        ({"brand": " "}, "brand", "missing"),
        ({"price": Decimal(0)}, "price", "price_invalid"),
        ({"price": Decimal("0.004")}, "price", "price_invalid"),
        ({"price": Decimal("-1")}, "price", "negative"),
        ({"price": Decimal("NaN")}, "price", "number_invalid"),
        ({"currency": "EURO"}, "currency", "currency_invalid"),
        ({"stock": None}, "stock", "missing"),
        ({"images": ()}, "image_url_1", "missing"),
        ({"images": ("ftp://x/1.jpg",)}, "image_url_1", "url_invalid"),
        ({"images": ("https://x/a b.jpg",)}, "image_url_1", "url_invalid"),
        ({"attributes": {"weight_net": ""}}, "weight_net", "missing"),
        ({"attributes": {"weight_net": "heavy"}}, "weight_net", "weight_invalid"),
        ({"attributes": {"weight_net": "0"}}, "weight_net", "weight_invalid"),
        ({"attributes": {"icpe": ""}}, "icpe", "missing"),
        ({"attributes": {"onu": "126"}}, "onu", "onu_invalid"),
        ({"attributes": {"security_file_number": ""}}, "security_file_number", "missing"),
        ({"attributes": {"has_batch_number": "perhaps"}}, "has_batch_number", "boolean_invalid"),
        ({"attributes": {"has_serial_number": ""}}, "has_serial_number", "missing"),
        ({"attributes": {"has_dluo": "2"}}, "has_dluo", "boolean_invalid"),
        ({"attributes": {"is_fragile": ""}}, "is_fragile", "missing"),
        ({"attributes": {"is_overpackaged": ""}}, "is_overpackaged", "missing"),
    ],
)
def test_an_offer_that_lacks_something_mandatory_is_left_out_and_told(
    make_feeds: Make, fields: dict[str, Any], attribute: str, code: str
) -> None:
    merchant = make_feeds(feed={"programme": "fulfilment"})
    bad, good = product(**{"sku": "BAD", "id": "7", **fields}), product("GOOD")
    [problem] = merchant.problems(bad, good)
    assert (problem.attribute, problem.code, problem.left_out) == (attribute, code, True)
    assert problem.product_id == bad.id
    assert problem.sentence
    report = merchant.build(bad, good)
    assert [offer["sku"] for offer in merchant.offers()] == ["GOOD"]
    assert (report.feeds[0].offers, report.feeds[0].left_out) == (1, 1)
    assert report.feeds[0].flaws == {f"{attribute}: {code}": 1}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"ean": "4006-381 333931"}, ("ean", "4006381333931")),
        ({"ean": "73513537"}, ("ean", "73513537")),
        ({"ean": "036000291452"}, ("ean", "036000291452")),
        ({"ean": "14006381333938"}, ("ean", "14006381333938")),
        ({"sku": "-A12"}, ("sku", "-A12")),
        ({"sku": " A1 "}, ("sku", "A1")),
        ({"stock": -3}, ("stock", "0")),
        ({"price": Decimal("12.345")}, ("price", "12.35")),
        ({"price": Decimal("1E+3")}, ("price", "1000.00")),
        ({"attributes": {"weight_net": "1500 g"}}, ("weight_net", "1.5")),
        ({"attributes": {"weight_net": "1,50 KG"}}, ("weight_net", "1.5")),
        ({"attributes": {"onu": "UN 1263"}}, ("onu", "UN 1263")),
        ({"attributes": {"is_fragile": "Oui"}}, ("is_fragile", "true")),
    ],
)
def test_a_value_is_understood_as_merchants_write_it(
    make_feeds: Make, given: dict[str, Any], written: tuple[str, str]
) -> None:
    merchant = make_feeds(feed={"programme": "fulfilment"})
    assert merchant.problems(product(**given)) == []
    merchant.build(product(**given))
    [offer] = merchant.offers()
    assert offer[written[0]] == written[1]


def test_a_flaw_of_what_is_not_mandatory_leaves_only_the_value_out(make_feeds: Make) -> None:
    merchant = make_feeds()
    [problem] = merchant.problems(product(attributes={"is_fragile": "perhaps"}))
    assert (problem.code, problem.left_out) == ("boolean_invalid", False)
    merchant.build(product(attributes={"is_fragile": "perhaps"}))
    assert [offer["is_fragile"] for offer in merchant.offers()] == [""]


def test_what_is_mandatory_and_what_is_accepted_can_be_set(make_feeds: Make) -> None:
    merchant = make_feeds(
        feed={"mandatory": ["description"], "optional": ["ean"], "accepted": {"icpe": ["none", "4331"]}}
    )
    first = product("A", ean="", description="long", attributes={"icpe": "4331"})
    found = merchant.problems(first, product("B", attributes={"icpe": "9"}))
    assert [(one.sku, one.attribute, one.code) for one in found] == [
        ("B", "description", "missing"),
        ("B", "icpe", "not_accepted"),
    ]


def test_a_feed_may_refuse_instead(make_feeds: Make) -> None:
    merchant = make_feeds(feed={"missing": "refuse"})
    merchant.build(product("A"))
    with pytest.raises(feeds.FeedRefused, match="1 offers lack"):
        merchant.build(product("B"), product("C", ean=""))
    assert [offer["sku"] for offer in merchant.offers()] == ["A"]


def test_a_feed_that_collapses_keeps_its_old_file_unless_forced(make_feeds: Make) -> None:
    merchant = make_feeds(feed={"gzip": False}, other={"filter": 'sku == "none"'})
    merchant.build(*(product(f"S{number}") for number in range(10)))
    before = (merchant.folder / "feed.csv").read_bytes()
    with pytest.raises(feeds.FeedCollapsed, match="from 10 to 6"):
        merchant.build(*(product(f"S{number}") for number in range(6)))
    assert (merchant.folder / "feed.csv").read_bytes() == before
    assert os.listdir(merchant.folder).count("feed.csv") == 1
    assert not [name for name in os.listdir(merchant.folder) if name.endswith(".draft")]
    assert merchant.build(*(product(f"S{number}") for number in range(7))).feeds[0].previous == 10
    merchant.build(product("S0"), force=True)
    assert len(merchant.offers()) == 1


def test_a_dry_run_writes_nothing_and_tells_what_would_be_refused(make_feeds: Make) -> None:
    merchant = make_feeds()
    merchant.build(product("A"), product("B"))
    before = (merchant.folder / "feed.csv").stat().st_mtime_ns
    report = merchant.build(product("A"), dry_run=True)
    assert "from 2 to 1" in report.feeds[0].refusal
    assert (merchant.folder / "feed.csv").stat().st_mtime_ns == before


def test_a_shop_that_fails_in_the_middle_leaves_the_old_file(make_feeds: Make) -> None:
    def products() -> Iterator[CatalogueProduct]:
        for number in range(500):
            yield product(f"S{number}")
        raise ShopUnavailable("The shop b2c cannot be reached: it went.")

    merchant = make_feeds()
    merchant.build(product("OLD"))
    with pytest.raises(ShopUnavailable):
        feeds.build(merchant.connector, "feed", products=products())
    assert [offer["sku"] for offer in merchant.offers()] == ["OLD"]
    assert not [name for name in os.listdir(merchant.folder) if name.endswith(".draft")]


def test_a_feed_is_read_while_it_is_replaced(make_feeds: Make) -> None:
    merchant = make_feeds()
    merchant.build(product("OLD"))
    with (merchant.folder / "feed.csv").open() as reading:
        merchant.build(product("NEW"))
        assert "OLD" in reading.read()
    assert [offer["sku"] for offer in merchant.offers()] == ["NEW"]


def test_two_processes_do_not_build_the_same_feeds(make_feeds: Make) -> None:
    merchant = make_feeds()
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    other = multiprocessing.Process(target=_hold, args=(merchant.folder / "feed.csv", ready, done))
    other.start()
    assert ready.wait(60)
    with pytest.raises(feeds.FeedRefused, match="Another process"):
        merchant.build(product())
    done.set()
    other.join(60)
    merchant.build(product())


def _hold(path: Any, ready: Any, done: Any) -> None:
    with held([path]):
        ready.set()
        done.wait(60)


def test_a_kill_between_two_files_is_made_good(make_feeds: Make) -> None:
    """An offer that moved to the other feed would be in both, or in none."""
    tables = {"one": {"filter": "stock > 5", "collapse_guard": 1}, "other": {"collapse_guard": 1}}
    merchant = make_feeds(**tables)
    merchant.build(product("A", stock=1), product("B", stock=9))
    killed = multiprocessing.Process(target=_build_and_die, args=(merchant.folder, tables))
    killed.start()
    killed.join(60)
    assert killed.exitcode == 9
    assert [[one["sku"] for one in merchant.offers(name)] for name in tables] == [["A"], ["A"]]
    app = Flask(__name__)
    app.register_blueprint(feeds.blueprint(make_feeds_like(merchant, secret="0123456789abcdef")))
    url = "/feeds/one/0123456789abcdef/feed.csv"
    assert b"\nA|id-A|" in app.test_client().get(url, buffered=True).data
    assert [[one["sku"] for one in merchant.offers(name)] for name in tables] == [["A"], ["B"]]


def make_feeds_like(merchant: FeedMerchant, **more: Any) -> Settings:
    document = {name: {**table, **more} for name, table in merchant.connector.settings.sections["feeds"].items()}
    return msgspec.structs.replace(merchant.connector.settings, sections={"feeds": document})


def _build_and_die(folder: Any, tables: Any) -> None:
    """With the stocks turned round; the process ends after the first of two files is in its place."""
    merchant, published = FeedMerchant(folder, tables, ("b2c",)), Draft.publish

    def publish(draft: Draft) -> None:
        published(draft)
        os._exit(9)

    Draft.publish = publish  # type: ignore[method-assign]
    merchant.build(product("A", stock=9), product("B", stock=1))


def test_a_build_clears_what_a_kill_left(make_feeds: Make) -> None:
    merchant = make_feeds()
    (merchant.folder / ".feed.csv.abc.draft").write_text("half")
    merchant.build(product())
    assert sorted(name for name in os.listdir(merchant.folder) if "feed" in name) == [".feed.csv.lock", "feed.csv"]


def test_what_cannot_be_written_is_said(make_feeds: Make) -> None:
    merchant = make_feeds(feed={"path": "taken/feed.csv"})
    (merchant.folder / "taken").write_text("a file")
    with pytest.raises(feeds.FeedRefused, match="cannot be written"):
        merchant.build(product())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_leaves_the_old_file(make_feeds: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    merchant = make_feeds()
    merchant.build(product("OLD"))
    monkeypatch.setattr("lengow.feeds.files.os.fdopen", lambda handle, *_: os.close(handle) or open("/dev/full", "wb"))  # noqa: SIM115
    with pytest.raises(feeds.FeedRefused, match="No space left"):
        merchant.build(*(product(f"S{number}") for number in range(500)))
    assert [offer["sku"] for offer in merchant.offers()] == ["OLD"]
    assert not [name for name in os.listdir(merchant.folder) if name.endswith(".draft")]


def test_an_old_file_that_cannot_be_read_needs_force(make_feeds: Make) -> None:
    """It is not known what would be lost."""
    merchant = make_feeds(feed={"gzip": True})
    merchant.build(product())
    file = merchant.folder / "feed.csv"
    file.write_bytes(file.read_bytes()[:30])
    with pytest.raises(feeds.FeedRefused, match="cannot be told") as refusal:
        merchant.build(product())
    assert "--force" in refusal.value.what_to_do
    assert merchant.build(product(), force=True).feeds[0].offers == 1


def test_products_of_another_type_are_refused(make_feeds: Make) -> None:
    with pytest.raises(TypeError, match="CatalogueProduct"):
        feeds.build(make_feeds().connector, "feed", products=[{"sku": "A"}])  # type: ignore[list-item]


def test_a_platform_without_a_catalogue_says_so(make_feeds: Make) -> None:
    with pytest.raises(SettingsError, match="lists no products"):
        feeds.build(make_feeds().connector, "feed")
