"""Every command of the README and the docs is run as it stands there, page by page and in order.

A block of `sh` holds commands; in one of `console` they stand behind `$`, and each line of the answer that the page shows
must be in the real one, where blanks may be wider and `…` stands for anything. A `python` block that begins with
`# NAME.py` is a file that the commands find. A page's commands run in one shell, in a folder of their own, beside a
sandbox.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import click
import pytest

from lengow.console.cli import cli
from lengow.sandbox import Sandbox
from lengow.sandbox.shops.woocommerce import KEY, WooCommerceShop

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]

NOT_RUN = {
    "make demo": "takes a minute; tests/console/test_demo.py runs what it runs",
    "make test": "is what runs this test",
    "make lint": "is a part of make test",
    "make docs": "tests/docs/test_site.py builds the same",
    "make crash": "takes twenty minutes; tests/crash/test_crash_worlds.py is a sample of it",
    "make chaos": "takes ten minutes; tests/chaos/test_small_chaos.py is a small one",
    "pg_dump": "tests/operations/test_backup.py runs it, against a server of its own",
    "psql": "as pg_dump",
    "pg_restore": "as pg_dump",
    "make bench": "takes long, and a quiet machine",
    ".venv/bin/python benchmarks/run.py": "measures; benchmarks are no tests",
    ".venv/bin/python -m pytest": "is what runs this test",
    ".venv/bin/python tests/operations/released/dump.py": "tests/operations/test_old_stores.py runs it",
    ".venv/bin/python -m build": "tests/packaging builds the wheel",
    "pip install": "asks the package index; tests/packaging builds the wheel and looks into it",
    "python3 -m venv": "the tests have a virtual environment",
    ". .venv/bin/activate": "the tests have a virtual environment",
    "python -m pytest test_acme.py": "tests/adapters/test_docs.py runs it, and counts what passed",
    "export LENGOW_SHOPWARE_APP_SECRET": "the keys of the handshake on the next line",
    "lengow-connector shop register": "waits for a Shopware shop; tests/adapters/test_shopware_registration.py plays it",
}
"""How a command begins that is not run, and why."""

ENDS_WITH = {
    "lengow-connector doctor": 3,
    "lengow-connector actions send ship M010000000001 --arg carrier=Other --arg carrier_name=Geodis"
    " --arg tracking_number=G1": 3,
    "lengow-connector feed check": 3,
}
"""Exit codes other than 0: the pages tell them."""

SERVES = re.compile(r"lengow-connector (run|serve|worker)\b(?!.*&$)")
"""What runs until it is told to end: it is, once it says that it runs."""

PASSWORD = "correct horse battery staple\n"


class Command(NamedTuple):
    text: str
    answer: tuple[str, ...] = ()
    """Lines that the page shows."""


class File(NamedTuple):
    name: str
    text: str


def parts_of(page: str) -> Iterator[Command | File]:
    """What is to be run and written, in the page's order."""
    for kind, block in re.findall(r"^ *```(sh|console|python)\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE):
        if kind == "python":
            if named := re.match(r"# (\w+\.py)\n", block):
                yield File(named[1], block)
        elif kind == "sh":
            lines = block.replace("\\\n", " ").splitlines()
            yield from (Command(text) for line in lines if (text := re.sub(r"(^|\s+)#.*", "", line).strip()))
        else:
            yield from _session(block)


def _session(block: str) -> Iterator[Command]:
    for part in re.split(r"^ *\$ ", block, flags=re.MULTILINE)[1:]:
        command, *answer = part.strip().splitlines()
        yield Command(command, tuple(answer))


def told(line: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(re.escape(word).replace("…", ".*") for word in line.split()))


class Shell:
    """One bash, so that variables, folders and background jobs live on from command to command."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._logs = folder.with_name(f"{folder.name}-logs")
        self._logs.mkdir()
        self._count = 0
        # In a session of its own there is no terminal: what asks for a password reads it from its input.
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """The exit code, and all that was printed."""
        self._count += 1
        script, given, said = (self._logs / f"{self._count}.{kind}" for kind in ("sh", "in", "out"))
        serves = SERVES.match(command) is not None
        script.write_text(f"{command} &\n" if serves else f"{command}\n", encoding="utf-8")
        given.write_text(PASSWORD * 2)
        said.touch()
        self._tell(f". {script} <{given} >{said} 2>&1")
        if serves:
            _wait_until(lambda: "ends it." in said.read_text(encoding="utf-8"), command)
            self._tell("kill -TERM $!; wait $!")
        self._tell('echo "$?"')
        assert self._bash.stdout is not None
        return int(self._bash.stdout.readline()), said.read_text(encoding="utf-8")

    def close(self) -> None:
        """Ends the shell, and what its commands left running."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGTERM)
        self._bash.wait(30)
        self._bash.stdout.close()

    def _tell(self, line: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"{line}\n")
        self._bash.stdin.flush()


def _wait_until(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


class Situation:
    """What a page's commands find: a merchant with one order at Lengow, and the settings file of `init`."""

    kind: ClassVar = "standard"
    store_url = ""

    def __init__(self, folder: Path, lengow: Sandbox, postgres: Callable[[], str]) -> None:
        self.account = lengow.add_account("main")
        sold = {"marketplace_order_id": "M240900012345", "billing_address": {"email": "zoe@example.org"}}
        lengow.sell_raw(self.account.account_id, sold, kind=self.kind)
        lengow.advance(minutes=15)
        self.url = lengow.url
        self.port = _free_port()
        self.file = folder / "lengow.toml"
        template = (ROOT / "console/lengow.toml").read_text(encoding="utf-8")
        self.file.write_text(template.replace("https://api.lengow.io", lengow.url))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("LENGOW_")},
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONUTF8": "1",
            "LENGOW_ACCESS_TOKEN": self.account.access_token,
            "LENGOW_SECRET": self.account.secret,
            "FEED_SECRET": "0123456789abcdef",
            "SMTP_PASSWORD": "secret",
            "LENGOW_STORE_URL": self.store_url,
        }

    def filled_in(self, command: str) -> str:
        """What a page cannot know: keys, an order's number, ports that are free, and where Lengow is here."""
        for placeholder, value in {
            "LENGOW_ACCESS_TOKEN=…": f"LENGOW_ACCESS_TOKEN={self.account.access_token}",
            "LENGOW_SECRET=…": f"LENGOW_SECRET={self.account.secret}",
            " ORDER": " M240900012345",
            "lengow-connector init": "rm -f lengow.toml && lengow-connector init && "
            f"sed -i 's|https://api.lengow.io|{self.url}|' lengow.toml",
            "lengow-connector serve": "lengow-connector serve --port 0",
        }.items():
            command = command.replace(placeholder, value)
        return command


class TutorialSituation(Situation):
    """Nothing: the page makes it all, on a port that is free."""

    def __init__(self, folder: Path, lengow: Sandbox, postgres: Callable[[], str]) -> None:
        super().__init__(folder, lengow, postgres)
        self.file.unlink()

    def filled_in(self, command: str) -> str:
        command = command.replace("lengow-connector sandbox", f"lengow-connector sandbox --port {self.port}")
        return command.replace("127.0.0.1:8700", f"127.0.0.1:{self.port}")


class FeedSituation(Situation):
    """The feeds of the page, of a WooCommerce shop with a product that lacks its EAN."""

    def __init__(self, folder: Path, lengow: Sandbox, postgres: Callable[[], str]) -> None:
        super().__init__(folder, lengow, postgres)
        self.shop = WooCommerceShop()
        self.shop.add_product("DRILL-18V", "99.90", 5)
        [feeds] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/feeds.md").read_text(encoding="utf-8"), re.DOTALL)
        shop = (
            f'url = "{self.shop.url}"\nconsumer_key = "{KEY.consumer_key}"\nconsumer_secret = "{KEY.consumer_secret}"'
        )
        settings = self.file.read_text().replace('platform = "generic"', f'platform = "woocommerce"\n{shop}')
        self.file.write_text(f"{settings}\n{feeds}")


class SyncedSituation(Situation):
    """The order is known, and was shipped, so that its buyer may be erased."""

    kind: ClassVar = "fulfilment"

    def __init__(self, folder: Path, lengow: Sandbox, postgres: Callable[[], str]) -> None:
        super().__init__(folder, lengow, postgres)
        subprocess.run([BIN / "lengow-connector", "sync"], cwd=folder, env=self.environment, check=True, timeout=60)


class InvoiceSituation(Situation):
    """The seller of the page, and the order imported."""

    def __init__(self, folder: Path, lengow: Sandbox, postgres: Callable[[], str]) -> None:
        super().__init__(folder, lengow, postgres)
        [settings] = re.findall(
            r"```toml\n(.*?)```", (ROOT / "docs/invoices.md").read_text(encoding="utf-8"), re.DOTALL
        )
        with self.file.open("a") as file:
            file.write(settings)
        subprocess.run([BIN / "lengow-connector", "sync"], cwd=folder, env=self.environment, check=True, timeout=60)


class ScaleSituation(Situation):
    """The order in a store of SQLite, and settings that name an empty one in PostgreSQL."""

    def __init__(self, folder: Path, lengow: Sandbox, postgres: Callable[[], str]) -> None:
        super().__init__(folder, lengow, postgres)
        subprocess.run([BIN / "lengow-connector", "sync"], cwd=folder, env=self.environment, check=True, timeout=60)
        self.store_url = postgres()
        settings = self.file.read_text(encoding="utf-8")
        self.file.write_text(settings.replace('url = "sqlite:///lengow.db"', 'url = "env:LENGOW_STORE_URL"'))


SITUATIONS = {
    "tutorial.md": TutorialSituation,
    "feeds.md": FeedSituation,
    "invoices.md": InvoiceSituation,
    "operations.md": SyncedSituation,
    "scale.md": ScaleSituation,
}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def reason_not_to_run(command: str) -> str | None:
    return next((why for begins, why in NOT_RUN.items() if command.startswith(begins)), None)


WITH_COMMANDS = [
    page
    for page in PAGES
    if any(isinstance(part, Command) and not reason_not_to_run(part.text) for part in parts_of(_text(page)))
]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], Shell]]:
    opened: list[Shell] = []

    def open_shell(environment: Mapping[str, str]) -> Shell:
        opened.append(Shell(tmp_path / "home", environment))
        return opened[-1]

    (tmp_path / "home").mkdir()
    yield open_shell
    for one in opened:
        one.close()


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(
    page: Path, tmp_path: Path, shell: Callable[[Mapping[str, str]], Shell], request: pytest.FixtureRequest
) -> None:
    with Sandbox(quota_per_minute=0) as lengow:
        folder = tmp_path / "home"
        situation = SITUATIONS.get(page.name, Situation)(
            folder, lengow, lambda: request.getfixturevalue("postgres_url")
        )
        bash = shell(situation.environment)
        for part in parts_of(_text(page)):
            if isinstance(part, File):
                (folder / part.name).write_text(situation.filled_in(part.text), encoding="utf-8")
            elif not reason_not_to_run(part.text):
                code, said = bash.run(situation.filled_in(part.text))
                assert code == ENDS_WITH.get(part.text, 0), f"{part.text}\n{said}"
                for line in filter(str.strip, part.answer):
                    assert told(situation.filled_in(line)).search(said), f"{part.text}\nshould say: {line}\n{said}"


def test_what_is_not_run_is_still_on_a_page() -> None:
    commands = [part.text for page in PAGES for part in parts_of(_text(page)) if isinstance(part, Command)]
    for begins in [*NOT_RUN, *ENDS_WITH]:
        assert any(one.startswith(begins) for one in commands), begins


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_stand_in_blocks_that_are_run(page: Path) -> None:
    for kind, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", _text(page), re.DOTALL | re.MULTILINE):
        if kind not in ("sh", "console"):
            assert not re.search(r"^ *(\$ |lengow-connector |pip |make |python3? )", block, re.MULTILINE), block


def test_what_make_is_asked_for_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text(ROOT / "Makefile"), re.MULTILINE))
    asked = {name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z-]+)", _text(page), re.MULTILINE)}
    assert {"test", "docs"} <= asked <= targets


def _mentioned() -> Iterator[tuple[str, str]]:
    """Each command within a sentence, and its page: `lengow-connector sync`, or `orders retry ORDER` alone."""
    groups = [name for name, one in cli.commands.items() if isinstance(one, click.Group)]
    for page in PAGES:
        for text in re.findall(r"`([^`\n]+)`", _text(page)):
            if text.startswith("lengow-connector "):
                yield page.name, text.removeprefix("lengow-connector ")
            elif re.match(rf"({'|'.join(groups)}) [a-z]", text):
                yield page.name, text


@pytest.mark.parametrize(("page", "text"), sorted(set(_mentioned())))
def test_a_command_that_is_mentioned_exists(page: str, text: str) -> None:
    words = [word for word in re.split(r"[\s\[\]|\\]+", text.split("&&")[0]) if word]
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    command: click.Command = cli
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if isinstance(command, click.Group):
        assert not words or not words[0][0].islower(), text
    if command.name != "sandbox":
        known = {name for one in (cli, command) for it in one.params for name in (*it.opts, *it.secondary_opts)}
        assert options <= known | {"--help"}, text
