"""Not part of `make test`: `make chaos-scale`, for $CHAOS_SECONDS (120).

Four workers, two receivers, one PostgreSQL, two accounts. Two of the workers are on hosts of their own, one has a clock
that is wrong by minutes, one a slow network to the database. At random, and again and again: a worker or receiver is
killed, a worker stands still for longer than its lease, PostgreSQL is restarted or crashes, a network is cut. Meanwhile
orders come in and are shipped. At the end the ledgers must be equal.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from postgres_server import PostgresServer, own_schema

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster, free_port
from network import NETWORK, Host, Proxy, missing

from lengow.sandbox import start_process

SECONDS = float(os.environ.get("CHAOS_SECONDS", "120"))
SEED = int(os.environ.get("CHAOS_SEED", str(int(time.time()))))
SKEW = 300.0
SLOW = 0.05


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    running = PostgresServer(network=NETWORK)
    yield running
    running.remove()


@pytest.mark.timeout(SECONDS + 600)
def test_whatever_befalls_the_ledgers_are_equal(server: PostgresServer, tmp_path: Path) -> None:
    sys.stderr.write(f"\nCHAOS_SEED={SEED}\n")
    with (
        start_process(quota_per_minute=0) as sandbox,
        own_schema(server.url) as url,
        closing(Cluster(sandbox, url, tmp_path, names=("main", "other"))) as cluster,
    ):
        chaos = Chaos(cluster, server, random.Random(SEED))
        try:
            chaos.run(SECONDS)
            compared = cluster.settles(within=float(os.environ.get("CHAOS_SETTLE", "240")))
        finally:
            chaos.end()
        sys.stderr.write(f"{chaos.done}; {compared.held} lines in shops, {compared.confirmed} actions confirmed\n")
        assert compared.clean, cluster.told(compared)
        assert compared.all_confirmed, cluster.told(compared)
        assert compared.confirmed > 0
        assert cluster.rows("SELECT count(*) - count(DISTINCT reference) FROM shop_orders") == [(0,)]
        assert cluster.rows("SELECT count(*) FROM steps WHERE held = 1") == [(0,)], cluster.rows(
            "SELECT kind, subject, error FROM steps WHERE held = 1 LIMIT 5"
        )


class Chaos:
    def __init__(self, cluster: Cluster, server: PostgresServer, dice: random.Random) -> None:
        self._cluster, self._server, self._dice = cluster, server, dice
        self.done: dict[str, int] = {}
        self._proxies: list[Proxy] = []
        reason = missing()
        if reason:
            sys.stderr.write(f"WITHOUT SEPARATE HOSTS AND WITHOUT CUT NETWORKS: {reason}\n")
        self._hosts = [] if reason else [Host(number) for number in (1, 2)]
        self._starts: list[Callable[[], subprocess.Popen[str]]] = [self._local(skew=SKEW), self._slow()]
        self._starts += [self._remote(host) for host in self._hosts] or [self._local(), self._local()]
        self._workers = [start() for start in self._starts]
        self._ports = [free_port(), free_port()]
        self._receivers = [cluster.receiver(port) for port in self._ports]

    def run(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        befalls = [self._kill, self._kill, self._kill_receiver, self._stand_still, self._restart, self._crash]
        befalls += [self._cut] if self._hosts else []
        while time.monotonic() < ends:
            with suppress(psycopg.Error):  # PostgreSQL may be gone just now, for the hosts as well
                for name in self._cluster.accounts:
                    self._cluster.sells(self._dice.randint(1, 8), name)
                self._cluster.ships_by_webhook(self._ports, most=5)
                self._cluster.ships_all()
            befall = self._dice.choice(befalls)
            befall()
            self.done[befall.__name__] = self.done.get(befall.__name__, 0) + 1
            time.sleep(self._dice.uniform(0.5, 4))
        for number in range(len(self._workers)):
            if self._workers[number].poll() is not None:
                self._workers[number] = self._starts[number]()

    def end(self) -> None:
        self._cluster.close()
        for host in self._hosts:
            host.remove()
        for proxy in self._proxies:
            proxy.close()

    def _kill(self) -> None:
        number = self._dice.randrange(len(self._workers))
        self._workers[number].send_signal(signal.SIGKILL)
        self._workers[number].wait()
        self._workers[number] = self._starts[number]()

    def _kill_receiver(self) -> None:
        number = self._dice.randrange(len(self._receivers))
        self._receivers[number].send_signal(signal.SIGKILL)
        self._receivers[number].wait()
        self._receivers[number] = self._cluster.receiver(self._ports[number])

    def _stand_still(self) -> None:
        one = self._dice.choice(self._workers)
        one.send_signal(signal.SIGSTOP)
        time.sleep(self._cluster.lease + self._dice.uniform(0, 4))
        one.send_signal(signal.SIGCONT)

    def _restart(self) -> None:
        self._server.stop()
        time.sleep(self._dice.uniform(0, 3))
        self._server.start()

    def _crash(self) -> None:
        self._server.stop(how=signal.SIGQUIT)
        self._server.start()

    def _cut(self) -> None:
        host = self._dice.choice(self._hosts)
        host.cut()
        time.sleep(self._dice.uniform(1, 12))
        host.mend()

    def _local(self, skew: float = 0.0) -> Callable[[], "subprocess.Popen[str]"]:
        if not skew:
            return self._cluster.worker
        script = [sys.executable, str(Path(__file__).parent / "skewed.py"), str(skew)]
        return lambda: self._cluster.worker(command=script)

    def _slow(self) -> Callable[[], "subprocess.Popen[str]"]:
        proxy = Proxy(("127.0.0.1", self._server.port), delay=SLOW)
        self._proxies.append(proxy)
        url = self._cluster.url.replace(f"127.0.0.1:{self._server.port}", f"127.0.0.1:{proxy.port}")
        settings = self._cluster.write_settings(url, "slow.toml")
        return lambda: self._cluster.worker(settings=settings)

    def _remote(self, host: Host) -> Callable[[], "subprocess.Popen[str]"]:
        """To Lengow through a proxy and a relay, as the sandbox listens on this machine alone, without TLS."""
        lengow = self._cluster.sandbox.url
        proxy = Proxy(("127.0.0.1", int(lengow.rpartition(":")[2])), host=host.gateway)
        self._proxies.append(proxy)
        url = self._cluster.url.replace("127.0.0.1", host.gateway)
        base = f"http://127.0.0.1:{host.relay(proxy.port)}"
        settings = self._cluster.write_settings(url, f"{host.name}.toml", lengow=base)
        return lambda: self._cluster.worker(settings=settings, prefix=host.prefix)
