"""Separate hosts on one machine: network namespaces, whose link can be cut, and a proxy that makes a network slow."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

NETWORK = "10.77.0.0/16"


def missing() -> str:
    """Why there can be no namespaces here; empty: there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no `ip` command (apt-get install iproute2)"
    name = f"lengow-try-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return f"`ip netns add` fails: {tried.stderr.strip()}" if tried.returncode else ""


class Host:
    """A namespace with one link to this machine, which is `gateway` to it."""

    def __init__(self, number: int) -> None:
        """`number`: another one for each, below 256."""
        self._relays: list[subprocess.Popen[str]] = []
        self.name = f"lengow{os.getpid() % 10_000}h{number}"
        self._outside, self._inside = f"lgo{os.getpid() % 10_000}{number}", f"lgi{os.getpid() % 10_000}{number}"
        self.gateway, self.address = f"10.77.{number}.1", f"10.77.{number}.2"
        for command in (
            ["netns", "add", self.name],
            ["link", "add", self._outside, "type", "veth", "peer", "name", self._inside],
            ["link", "set", self._inside, "netns", self.name],
            ["addr", "add", f"{self.gateway}/24", "dev", self._outside],
            ["link", "set", self._outside, "up"],
            ["-n", self.name, "addr", "add", f"{self.address}/24", "dev", self._inside],
            ["-n", self.name, "link", "set", self._inside, "up"],
            ["-n", self.name, "link", "set", "lo", "up"],
        ):
            _ip(command)

    @property
    def prefix(self) -> Sequence[str]:
        """Put before a command, has it run there."""
        return ("ip", "netns", "exec", self.name)

    def relay(self, port: int) -> int:
        """The port on its own 127.0.0.1 that leads to `port` of the gateway: only there do settings take plain http."""
        command = [*self.prefix, sys.executable, __file__, self.gateway, str(port)]
        self._relays.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        told = self._relays[-1].stdout
        assert told is not None
        return int(told.readline())

    def cut(self) -> None:
        """Packets get lost, without a word to either side."""
        _ip(["link", "set", self._outside, "down"])

    def mend(self) -> None:
        _ip(["link", "set", self._outside, "up"])

    def remove(self) -> None:
        for relay in self._relays:
            relay.kill()
            relay.communicate()
        _ip(["netns", "del", self.name])
        subprocess.run(["ip", "link", "del", self._outside], capture_output=True)


class Proxy:
    """Passes on what comes to `host`, each piece `delay` seconds later."""

    def __init__(self, target: tuple[str, int], *, host: str = "127.0.0.1", delay: float = 0.0) -> None:
        self._target = target
        self.delay = delay
        self._listener = socket.create_server((host, 0))
        self.host, self.port = host, int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                far = socket.create_connection(self._target, timeout=30)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while piece := one.recv(65536):
                time.sleep(self.delay)
                other.sendall(piece)
        except OSError:
            pass  # either side hung up: so does the proxy
        finally:
            for side in (one, other):
                side.close()


def _ip(arguments: Sequence[str]) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    sys.stdout.write(f"{Proxy((sys.argv[1], int(sys.argv[2]))).port}\n")  # a relay of `Host`
    sys.stdout.flush()
    sys.stdin.read()
