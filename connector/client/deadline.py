"""One time-out for a whole answer. `requests` times single reads only, so an answer that drips in could last for hours.

The read time-out that is given with a request becomes the time by which headers and body must be in.
"""

import http.client
import io
import socket
import ssl
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import SSLError


class HandshakeFailed(SSLError):
    """TLS did not come about: nothing was sent. urllib3's own SSLError may also break an answer."""


class DeadlineAdapter(HTTPAdapter):
    """Pooled connections whose answers are in within the read time-out, or raise it."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = TIMED_POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = TIMED_POOLS
        return manager


class _TimedFile(io.RawIOBase):
    """A socket's bytes, until its time-out has passed since this was made."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._seconds = sock.gettimeout()
        self._ends = None if self._seconds is None else time.monotonic() + self._seconds
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._ends is not None:
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer took too long")
            self._socket.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        if not self.closed and self._socket.fileno() != -1:
            self._socket.settimeout(self._seconds)
        self._file.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedFile(sock))


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _TimedResponse

    def connect(self) -> None:
        try:
            super().connect()
        except (ssl.SSLError, ssl.CertificateError, SSLError) as error:
            raise HandshakeFailed(error) from error


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


TIMED_POOLS = {"http": _Pool, "https": _SecurePool}
