"""The settings file: what it may hold, and for each mistake a text that names the file, the key and what to write."""

import importlib.metadata
import logging
import re
from datetime import UTC, date, datetime, time

import msgspec
import pytest

from lengow.connector import Account, Settings, SettingsError, Shop, Store, ToggleUnsupported
from lengow.connector.adapter import GROUP, Capabilities
from lengow.connector.secret import NoSecret, Secret, read_secret
from lengow.connector.settings import Digest
from lengow.console.template import write_template

GOOD = """
[accounts.main]
access_token = "env:TEST_ACCESS_TOKEN"
secret = "env:TEST_SECRET"

[shops.b2c]
account = "main"
platform = "generic"
marketplaces = ["manomano_fr"]
"""
ACCESS_TOKEN, SECRET = "acc-5f3a9b", "sec-77d1c0"


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("TEST_ACCESS_TOKEN", ACCESS_TOKEN)
    monkeypatch.setenv("TEST_SECRET", SECRET)
    monkeypatch.delenv("LENGOW_CONFIG", raising=False)


@pytest.fixture
def load(tmp_path):
    def load_(text):
        path = tmp_path / "shop.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Settings.load(path)

    return load_


def edited(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


class TestWhatIsRead:
    def test_the_template_that_init_writes(self, tmp_path, monkeypatch):
        monkeypatch.setenv("LENGOW_ACCESS_TOKEN", ACCESS_TOKEN)
        monkeypatch.setenv("LENGOW_SECRET", SECRET)
        write_template(str(tmp_path / "lengow.toml"))
        settings = Settings.load(tmp_path / "lengow.toml")
        assert settings.accounts["main"] == Account(access_token=Secret(ACCESS_TOKEN), secret=Secret(SECRET))
        assert settings.shops["b2c"] == Shop(account="main", platform="generic")
        assert settings.store.url == f"sqlite:///{tmp_path}/lengow.db"

    def test_the_template_with_every_comment_taken_up(self, tmp_path, monkeypatch):
        secrets = (
            "LENGOW_ACCESS_TOKEN",
            "LENGOW_SECRET",
            "B2C_WEBHOOK_SECRET",
            "SMTP_PASSWORD",
            "LENGOW_METRICS_TOKEN",
        )
        for name in secrets:
            monkeypatch.setenv(name, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        write_template(str(tmp_path / "lengow.toml"))
        text = (tmp_path / "lengow.toml").read_text()
        everything = re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)
        assert everything != text
        (tmp_path / "lengow.toml").write_text(everything)
        settings = Settings.load(tmp_path / "lengow.toml")
        shop = settings.shops["b2c"]
        assert (shop.marketplaces, shop.catalogues, shop.start_date) == (("manomano_fr",), (3131,), date(2026, 1, 1))
        assert shop.carriers == {"colissimo_home": "COLISSIMO"}
        assert shop.options["products_table"] == "products"
        assert settings.accounts["main"].daily_sync_at == time(3)
        assert settings.accounts["main"].digest == Digest(to=("ops@shop.example",), language="fr")
        assert settings.mail is not None
        assert settings.store.keep_personal_data_days == 180

    def test_the_same_in_code(self, load, tmp_path):
        in_code = Settings(
            accounts={"main": Account(access_token=Secret(ACCESS_TOKEN), secret=Secret(SECRET))},
            shops={"b2c": Shop(account="main", platform="generic", marketplaces=("manomano_fr",))},
            store=Store(url=f"sqlite:///{tmp_path}/lengow.db"),
            base=tmp_path,
        )
        assert load(GOOD) == in_code

    @pytest.mark.parametrize(
        ("url", "anchored"),
        [
            pytest.param("sqlite:///lengow.db", "sqlite:///{folder}/lengow.db", id="relative: to the file"),
            pytest.param("sqlite:////var/lib/lengow.db", "sqlite:////var/lib/lengow.db", id="absolute"),
            pytest.param("postgresql:///lengow", "postgresql:///lengow", id="no file"),
        ],
    )
    def test_the_place_of_the_store(self, load, tmp_path, url, anchored):
        assert load(f'[store]\nurl = "{url}"\n{GOOD}').store.url == anchored.format(folder=tmp_path)

    def test_a_start_date_is_midnight_in_universal_time(self, load):
        settings = load(GOOD + "start_date = 2026-01-01")
        assert settings.shops["b2c"].starts_at == datetime(2026, 1, 1, tzinfo=UTC)

    def test_the_file_named_by_the_environment_else_the_one_here(self, load, tmp_path, monkeypatch):
        named = load(GOOD)
        monkeypatch.setenv("LENGOW_CONFIG", str(tmp_path / "shop.toml"))
        assert Settings.load() == named
        monkeypatch.delenv("LENGOW_CONFIG")
        (tmp_path / "here").mkdir()
        (tmp_path / "here/lengow.toml").write_text(GOOD.replace("b2c", "here"))
        monkeypatch.chdir(tmp_path / "here")
        assert list(Settings.load().shops) == ["here"]


SECOND_SHOP = '\n[shops.b2b]\naccount = "main"\nplatform = "generic"\n'
MISTAKES = [
    # id, text, key that is named, words of the sentence or of what to do
    ("unknown section", GOOD + "\n[shopz.x]\n", "shopz", ["Did you mean shops?"]),
    ("unknown key of an account", edited("secret =", "secrret ="), "accounts.main.secrret", ["Did you mean secret?"]),
    ("unknown key of the store", GOOD + '\n[store]\nurll = "x"', "store.urll", ["url"]),
    ("unknown key of a shop", GOOD + "start_dat = 2026-01-01", "shops.b2c.start_dat", ["Did you mean start_date?"]),
    ("unknown key of the platform", GOOD + 'product_table = "p"', "shops.b2c.product_table", ["mean products_table?"]),
    ("key like no other", GOOD + "qqq = 1", "shops.b2c.qqq", ["Known here", "unknown_products"]),
    (
        "no access token",
        edited("access_token", "# "),
        "accounts.main.access_token",
        ['access_token = "env:', "is missing"],
    ),
    ("no secret", edited("secret =", "# "), "accounts.main.secret", ['secret = "env:LENGOW_SECRET"']),
    ("no account of a shop", edited("account =", "# "), "shops.b2c.account", ["is missing"]),
    ("no platform", edited("platform =", "# "), "shops.b2c.platform", ["is missing"]),
    ("no accounts", "", "accounts", ["[accounts.NAME]"]),
    ("no shops", GOOD.partition("[shops")[0], "shops", ["[shops.NAME]"]),
    ("accounts are no table", "accounts = 1", "accounts", ["must be a table", "[accounts]"]),
    ("an account is no table", "[accounts]\nmain = 1", "accounts.main", ["[accounts.main]"]),
    ("secret is a number", edited('"env:TEST_SECRET"', "5"), "accounts.main.secret", ["int"]),
    ("secret is empty", edited('"env:TEST_SECRET"', '""'), "accounts.main.secret", ["empty", "env:NAME or file:PATH"]),
    ("variable not set", edited("env:TEST_SECRET", "env:NOT_SET"), "accounts.main.secret", ["NOT_SET is not set"]),
    ("variable without name", edited("env:TEST_SECRET", "env:"), "accounts.main.secret", ["not set"]),
    ("no such file", edited("env:TEST_SECRET", "file:/no/such"), "accounts.main.secret", ["'/no/such' cannot be read"]),
    ("file with an odd name", edited("env:TEST_SECRET", "file:a\\u0000b"), "accounts.main.secret", ["cannot be read"]),
    (
        "webhook secret not set",
        GOOD + 'webhook_secrets = ["env:TEST_SECRET", "env:NOT_SET"]',
        "shops.b2c.webhook_secrets[1]",
        ["NOT_SET"],
    ),
    (
        "webhook secrets are no list",
        GOOD + 'webhook_secrets = "env:TEST_SECRET"',
        "shops.b2c.webhook_secrets",
        ["array"],
    ),
    (
        "toggle is a text",
        GOOD + 'import_orders_shipped_by_marketplaces = "yes"',
        "shops.b2c.import_orders_shipped",
        ["bool"],
    ),
    ("marketplaces are a text", edited('["manomano_fr"]', '"manomano_fr"'), "shops.b2c.marketplaces", ["array"]),
    ("a marketplace is a number", edited('["manomano_fr"]', '["a", 1]'), "shops.b2c.marketplaces[1]", ["str"]),
    ("choice that is none", GOOD + 'unknown_products = "skip"', "shops.b2c.unknown_products", ["skip", "hold, import"]),
    ("date that is none", GOOD + 'start_date = "soon"', "shops.b2c.start_date", ["date"]),
    ("platform's key of a wrong type", GOOD + "products_table = 5", "shops.b2c.products_table", ["str"]),
    ("platform's key of a wrong value", GOOD + 'products_table = "a; DROP"', "shops.b2c", ["not the plain name"]),
    ("unknown platform", edited('"generic"', '"oscommerce"'), "shops.b2c.platform", ["oscommerce", "generic"]),
    ("unknown account", edited('account = "main"', 'account = "mein"'), "shops.b2c.account", ["'mein'", "main"]),
    ("shop with an odd name", GOOD + SECOND_SHOP.replace("b2b", '"b 2"'), "b 2", ["letters, digits"]),
    ("two shops for one marketplace", GOOD + SECOND_SHOP, "shops.b2b", ["shops.b2c and shops.b2b", "own"]),
    ("call longer than a lease", GOOD + "call_timeout = 120", "shops.b2c.call_timeout", ["store.lease_seconds (120)"]),
    ("call without time", GOOD + "call_timeout = 0", "shops.b2c.call_timeout", [">"]),
    (
        "negative quota",
        edited("[shops", "requests_per_minute = -1\n[shops"),
        "accounts.main.requests_per_minute",
        [">= 0"],
    ),
    (
        "no time between syncs",
        edited("[shops", "sync_every_minutes = 0\n[shops"),
        "accounts.main.sync_every_minutes",
        [">"],
    ),
    (
        "endless time between",
        edited("[shops", "sync_every_minutes = inf\n[shops"),
        "accounts.main.sync_every_minutes",
        ["<="],
    ),
    (
        "time that is no number",
        edited("[shops", "overlap_minutes = nan\n[shops"),
        "accounts.main.overlap_minutes",
        ["<="],
    ),
    ("too many days", edited("[shops", "daily_sync_days = 99999999\n[shops"), "accounts.main.daily_sync_days", ["<= "]),
    ("lease without time", GOOD + "\n[store]\nlease_seconds = 0", "store.lease_seconds", [">"]),
    (
        "address of nothing",
        edited("[shops", 'base_url = "api.lengow.io"\n[shops'),
        "accounts.main.base_url",
        ["https://"],
    ),
    (
        "in the open",
        edited("[shops", 'base_url = "http://api.lengow.io"\n[shops'),
        "accounts.main.base_url",
        ["https://"],
    ),
    (
        "one account under two names",
        GOOD + '\n[accounts.second]\naccess_token = "env:TEST_ACCESS_TOKEN"\nsecret = "other"',
        "accounts.second.access_token",
        ["accounts.main", "twice", "'main'"],
    ),
    ("no marketplace at all", edited('["manomano_fr"]', "[]"), "shops.b2c.marketplaces", ["is empty", "Leave"]),
    ("no catalogue at all", GOOD + "catalogues = []", "shops.b2c.catalogues", ["is empty", "Leave"]),
    ("a marketplace without name", edited('["manomano_fr"]', '[""]'), "shops.b2c.marketplaces", ["no marketplace's"]),
    ("with a space", edited('["manomano_fr"]', '["manomano_fr "]'), "shops.b2c.marketplaces", ["no marketplace's"]),
    (
        "unknown action",
        GOOD + "[shops.b2c.action_arguments.refunds]\nreason = 'x'",
        "action_arguments.refunds",
        ["Did you mean refund?"],
    ),
    (
        "tracking page of nothing",
        GOOD + '[shops.b2c.tracking_urls]\nDPD = "track.example/{number}"',
        "shops.b2c.tracking_urls.DPD",
        ["https://"],
    ),
    (
        "tracking page that cannot be taken apart",
        GOOD + '[shops.b2c.tracking_urls]\nDPD = "https://[track.example/{number}"',
        "shops.b2c.tracking_urls.DPD",
        ["https://"],
    ),
    (
        "unknown kind of change",
        GOOD + '[shops.b2c.follow]\ncanceled = "apply"',
        "shops.b2c.follow.canceled",
        ["Did you mean cancelled?"],
    ),
    (
        "verdict that is none",
        GOOD + '[shops.b2c.follow]\nlines = "later"',
        "shops.b2c.follow.lines",
        ["apply, ask, ignore"],
    ),
    (
        "time as a text",
        edited("[shops", 'daily_sync_at = "03:00"\n[shops'),
        "accounts.main.daily_sync_at",
        ["daily_sync_at = 03:00:00"],
    ),
    (
        "address with a password",
        edited("[shops", 'base_url = "https://me:hunter2@api.lengow.io"\n[shops'),
        "accounts.main.base_url",
        ["user, password"],
    ),
    (
        "address without a port that is one",
        edited("[shops", 'base_url = "https://api.lengow.io:99999"\n[shops'),
        "accounts.main.base_url",
        ["not a web address"],
    ),
    ("address of a file", edited("[shops", 'base_url = "file:///x"\n[shops'), "accounts.main.base_url", ["https://"]),
]


@pytest.mark.parametrize(("text", "key", "words"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_named_with_file_key_and_what_to_write(load, tmp_path, text, key, words):
    with pytest.raises(SettingsError) as refused:
        load(text)
    told = f"{refused.value} {refused.value.what_to_do}"
    assert str(refused.value).startswith(f"{tmp_path / 'shop.toml'}: ")
    assert key in told
    assert [word for word in words if word not in told] == []
    assert refused.value.code == "settings_invalid"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("[accounts.main\n", ["line 1"], id="bracket left open"),
        pytest.param(GOOD + GOOD, ["line"], id="everything twice"),
        pytest.param(b"\xff\xfe", ["UTF-8"], id="not UTF-8"),
    ],
)
def test_what_is_no_toml_is_named_with_its_file_and_line(load, tmp_path, text, words):
    with pytest.raises(SettingsError) as refused:
        load(text)
    told = f"{refused.value} {refused.value.what_to_do}"
    assert str(tmp_path / "shop.toml") in told
    assert [word for word in words if word not in told] == []


def test_a_missing_file_is_named_with_how_to_write_one(tmp_path):
    with pytest.raises(SettingsError, match=r"no settings file .*gone\.toml") as refused:
        Settings.load(tmp_path / "gone.toml")
    assert "lengow-connector init" in refused.value.what_to_do


def test_a_folder_is_no_settings_file(tmp_path):
    with pytest.raises(SettingsError, match=re.escape(str(tmp_path))):
        Settings.load(tmp_path)


class TestWhichShopTakesAnOrder:
    @pytest.mark.parametrize(
        ("one", "two", "meet"),
        [
            pytest.param({}, {}, True, id="all and all"),
            pytest.param({"marketplaces": ("a",)}, {}, True, id="one and all"),
            pytest.param({"marketplaces": ("a", "b")}, {"marketplaces": ("b",)}, True, id="one in common"),
            pytest.param({"marketplaces": ("a",)}, {"marketplaces": ("b",)}, False, id="none in common"),
            pytest.param({"catalogues": (1,)}, {"catalogues": (2,)}, False, id="other catalogues"),
            pytest.param({"catalogues": (1,)}, {"marketplaces": ("a",)}, True, id="a catalogue and a marketplace"),
            pytest.param(
                {"marketplaces": ("a",), "catalogues": (1,)},
                {"marketplaces": ("a",), "catalogues": (2,)},
                False,
                id="one marketplace, other catalogues",
            ),
        ],
    )
    @pytest.mark.parametrize("same_account", [True, False])
    def test_two_that_could_take_the_same_order_are_a_mistake(self, one, two, meet, same_account):
        keys = {"access_token": Secret("a"), "secret": Secret("b")}
        accounts = {"main": Account(**keys), "other": Account(**{**keys, "access_token": Secret("its own")})}
        shops = {
            "first": Shop(account="main", platform="generic", **one),
            "second": Shop(account="main" if same_account else "other", platform="generic", **two),
        }
        if meet and same_account:
            with pytest.raises(SettingsError, match=r"shops\.first and shops\.second"):
                Settings(accounts=accounts, shops=shops)
        else:
            assert list(Settings(accounts=accounts, shops=shops).shops) == ["first", "second"]

    @pytest.mark.parametrize(
        ("marketplace", "catalogues", "shop"),
        [
            ("manomano_fr", (1,), "french"),
            ("manomano_es", (1,), "spanish_one"),
            ("manomano_es", (3, 2), "spanish_two"),
            ("manomano_es", (9,), None),
            ("manomano_es", (), None),
            ("fnac_fr", (1,), None),
        ],
    )
    def test_each_order_goes_to_the_one_that_fits(self, marketplace, catalogues, shop):
        def of(**rule):
            return Shop(account="main", platform="generic", **rule)

        settings = Settings(
            accounts={"main": Account(access_token=Secret("a"), secret=Secret("b"))},
            shops={
                "french": of(marketplaces=("manomano_fr",)),
                "spanish_one": of(marketplaces=("manomano_es",), catalogues=(1,)),
                "spanish_two": of(marketplaces=("manomano_es",), catalogues=(2,)),
            },
        )
        assert settings.shop_for("main", marketplace, catalogues) == shop
        assert settings.shop_for("unknown", marketplace, catalogues) is None


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""


class LimitedAdapter:
    """Of a platform that cannot import orders that the marketplace delivers."""

    platform = "limited"
    capabilities = Capabilities(
        imports_delivered_by_marketplace=False, delivered_by_marketplace_reason="Limited has no place for them."
    )
    settings_type = NoSettings


@pytest.fixture
def limited_platform(monkeypatch):
    """As if a distribution with such an adapter were installed."""
    point = importlib.metadata.EntryPoint("limited", f"{__name__}:LimitedAdapter", GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == GROUP else [])


@pytest.mark.usefixtures("limited_platform")
class TestATogglesThatThePlatformCannotDo:
    @pytest.mark.parametrize(
        "toggle", ["import_orders_shipped_by_marketplaces", "decrease_stock_for_marketplace_shipped"]
    )
    def test_is_refused_with_the_reason(self, load, tmp_path, toggle):
        with pytest.raises(ToggleUnsupported) as refused:
            load(edited('"generic"', '"limited"') + f"{toggle} = true")
        assert str(refused.value).startswith(
            f"{tmp_path / 'shop.toml'}: {toggle} cannot be turned on for the shop 'b2c'"
        )
        assert "Limited has no place for them." in str(refused.value)
        assert refused.value.code == "toggle_unsupported"
        assert "off" in refused.value.what_to_do

    def test_may_be_written_as_off(self, load):
        settings = load(edited('"generic"', '"limited"') + "import_orders_shipped_by_marketplaces = false")
        assert settings.shops["b2c"].platform == "limited"

    def test_and_the_platforms_own_keys_are_checked_by_its_adapter(self, load):
        assert load(edited('"generic"', '"limited"') + 'url = "x"').shops["b2c"].options == {"url": "x"}
        with pytest.raises(SettingsError, match=r"shops\.b2c\.products_table is not a setting"):
            load(edited('"generic"', '"limited"') + 'products_table = "p"')


class TestSecrets:
    def test_come_from_the_environment(self):
        assert read_secret("env:TEST_SECRET").reveal() == SECRET

    def test_come_from_a_file_without_the_line_end(self, tmp_path):
        (tmp_path / "secret").write_text(f"{SECRET}\n")
        assert read_secret(f"file:{tmp_path / 'secret'}").reveal() == SECRET

    def test_come_as_they_are(self):
        assert read_secret("whsec_abc:def").reveal() == "whsec_abc:def"

    @pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe"], ids=["empty", "blank", "not UTF-8"])
    def test_are_not_read_from_an_unusable_file(self, tmp_path, content):
        (tmp_path / "secret").write_bytes(content)
        with pytest.raises(NoSecret, match="cannot be read or is empty"):
            read_secret(f"file:{tmp_path / 'secret'}")

    def test_do_not_show_themselves(self, load, caplog):
        settings = load(GOOD + f'webhook_secrets = ["{SECRET}"]')
        logging.getLogger("test").warning("%s %r", settings, settings.accounts["main"].secret)
        shown = f"{settings} {settings!r} {settings.accounts} {settings.shops} {caplog.text} {[Secret(SECRET)]}"
        assert ACCESS_TOKEN not in shown
        assert SECRET not in shown
        assert "Secret('***')" in shown

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(GOOD.replace("env:TEST_SECRET", SECRET) + "qqq = 1", id="another key is unknown"),
            pytest.param(GOOD.replace('"env:TEST_SECRET"', f'["{SECRET}"]'), id="it is a list"),
            pytest.param(GOOD.replace('"env:TEST_SECRET"', f'{{ value = "{SECRET}" }}'), id="it is a table"),
            pytest.param(GOOD.replace('"env:TEST_SECRET"', SECRET), id="it is not quoted"),
            pytest.param(GOOD.replace('"env:TEST_SECRET"', f'"{SECRET}'), id="its quotes are left open"),
            pytest.param(GOOD + f'webhook_secrets = "{SECRET}"', id="a webhook secret that is no list"),
        ],
    )
    def test_are_in_no_error(self, load, text):
        assert SECRET in text
        with pytest.raises(SettingsError) as refused:
            load(text)
        assert SECRET not in f"{refused.value} {refused.value!r} {refused.value.about} {refused.value.what_to_do}"

    def test_are_equal_by_what_they_hide(self):
        assert Secret("a") == Secret("a")
        assert Secret("a") != Secret("b")
        assert Secret("a") != "a"
        assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


class GreedySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    carriers: dict[str, str] = {}


class GreedyAdapter(LimitedAdapter):
    settings_type = GreedySettings


class TestAnAdapterThatCannotBeUsed:
    def test_has_a_setting_of_a_name_that_every_shop_has(self, load, monkeypatch):
        point = importlib.metadata.EntryPoint("greedy", f"{__name__}:GreedyAdapter", GROUP)
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == GROUP else [])
        with pytest.raises(SettingsError, match=r"GreedyAdapter has settings of its own by names .*: carriers\.") as no:
            load(edited('"generic"', '"greedy"'))
        assert "author" in no.value.what_to_do

    def test_lacks_the_package_of_its_extra(self, load, monkeypatch):
        point = importlib.metadata.EntryPoint("needy", "a_package_that_is_not_there:Adapter", GROUP)
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == GROUP else [])
        with pytest.raises(SettingsError, match="'a_package_that_is_not_there', which is not installed") as no:
            load(edited('"generic"', '"needy"'))
        assert no.value.what_to_do == "Run: pip install 'lengow-connector[needy]'"
