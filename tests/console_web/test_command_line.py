"""Users by the command line, and the console as `lengow-connector serve --console` serves it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

COMMAND = str(Path(sys.executable).parent / "lengow-connector")
PASSWORD = "correct horse battery"
Runs = Callable[..., subprocess.CompletedProcess[str]]

SETTINGS = """
[accounts.main]
access_token = "a"
secret = "b"
base_url = "http://127.0.0.1:9"

[shops.b2c]
account = "main"
platform = "generic"

[console]
language = "en"
"""


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "lengow.toml").write_text(SETTINGS)

    def run(*arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, input=password, capture_output=True, text=True, timeout=60
        )

    return run


def test_users_are_added_listed_changed_and_removed(runs: Runs) -> None:
    added = runs("users", "add", "anne", "--role", "admin", "--password-stdin", password=f"{PASSWORD}\n")
    assert (added.returncode, added.stdout) == (0, "anne may enter the console as admin.\n")
    again = runs("users", "add", "anne", "--password-stdin", password=f"{PASSWORD}\n")
    assert again.returncode == 3
    assert "user_invalid: There is a user anne already." in again.stderr
    short = runs("users", "add", "bob", "--password-stdin", password="short\n")
    assert "at least 12 characters" in short.stderr
    assert runs("users", "add", "bob", "--password-stdin", password=f"{PASSWORD}\n").returncode == 0
    assert runs("users", "role", "bob", "operator").returncode == 0
    assert runs("users", "password", "bob", "--password-stdin", password="another good password\n").returncode == 0
    listed = runs("users", "list").stdout
    assert re.search(r"anne\s+admin", listed)
    assert re.search(r"bob\s+operator", listed)
    last = runs("users", "remove", "anne")
    assert "anne is the last administrator" in last.stderr
    assert runs("users", "remove", "bob").returncode == 0
    assert '"bob"' not in runs("users", "list", "--json").stdout
    assert "Traceback" not in added.stderr + again.stderr + short.stderr + last.stderr


@pytest.fixture
def serving(runs: Runs, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of the console, and what was said at the start."""
    runs("users", "add", "anne", "--role", "admin", "--password-stdin", password=f"{PASSWORD}\n")
    process = subprocess.Popen(
        [COMMAND, "serve", "--console", "--port", "0"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = ""
    while "Serving" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    found = re.search(r"http://[^ ]+/console/", said)
    assert found is not None
    yield found[0], said
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60) == 0
    process.stderr.close()


def test_the_console_is_served_beside_the_webhooks(serving: tuple[str, str]) -> None:
    url, said = serving
    assert "Nobody may enter yet" not in said
    with requests.Session() as session:
        assert session.get(url.removesuffix("console/"), timeout=30).url.endswith("/console/login?next=/console/")
        page = session.get(url, timeout=30).text
        token = re.search(r'form_token" value="([^"]+)', page)
        assert token is not None
        form = {"form_token": token[1], "name": "anne", "password": PASSWORD}
        started = time.monotonic()
        home = session.post(f"{url}login", data=form, timeout=30)
        assert "never synced" in home.text, time.monotonic() - started
        assert session.get(f"{url}people", timeout=30).status_code == 200
        hook = session.post(url.replace("/console/", "/webhooks/b2c"), json={}, timeout=30)
        assert hook.status_code == 401
    assert requests.get(f"{url}orders", timeout=30).url.endswith("/console/login?next=/console/orders")


def test_the_example_of_the_docs_runs(runs: Runs, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/console.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    asked = 'client = app.test_client()\nprint(client.get("/backend/lengow/").status_code)\n'
    asked += 'with client.session_transaction() as own:\n    own["staff_name"] = "hana"\n'
    asked += 'print("hana" in client.get("/backend/lengow/").text)\nconnector.close()\n'
    (tmp_path / "host.py").write_text(f"{block}\n{asked}", encoding="utf-8")
    done = subprocess.run([sys.executable, "host.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "401\nTrue\n", done.stderr
