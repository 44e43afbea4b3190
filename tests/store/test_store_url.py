"""`store.url` in the settings: the kind of store by its scheme, and no password shown."""

from pathlib import Path

import pytest

from lengow.connector import Settings
from lengow.connector.errors import SettingsError
from lengow.connector.secret import without_password

ACCOUNTS = {"main": {"access_token": "t", "secret": "s"}}
SHOPS = {"b2c": {"account": "main", "platform": "generic"}}
URL = "postgresql://lengow:s3cret@db.example/lengow"


def test_it_may_come_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LENGOW_STORE_URL", URL)
    (tmp_path / "url").write_text(f"{URL}\n")
    for source in ("env:LENGOW_STORE_URL", f"file:{tmp_path}/url"):
        settings = Settings.from_dict({"store": {"url": source}, "accounts": ACCOUNTS, "shops": SHOPS})
        assert settings.store.url == URL
        assert "s3cret" not in repr(settings)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SettingsError, match=r"store\.url: the environment variable NO_SUCH_VARIABLE is not set"):
        Settings.from_dict({"store": {"url": "env:NO_SUCH_VARIABLE"}, "accounts": ACCOUNTS, "shops": SHOPS})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "postgresql://lengow:***@db.example/lengow"),
        ("postgresql://a:p@ss?w@h:5/db", "postgresql://a:***@h:5/db"),
        ("postgresql://a@h/db?sslmode=require&password=q", "postgresql://a@h/db?sslmode=require&***"),
        ("postgresql://a@h:5432/db", "postgresql://a@h:5432/db"),
        ("sqlite:////var/lib/lengow.db", "sqlite:////var/lib/lengow.db"),
    ],
)
def test_it_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
