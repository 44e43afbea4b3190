"""Logs on standard error, one line a record: time in UTC, level, logger, message, and the facts as `key=value`.

Only the command line sets this up. A host that embeds the connector formats its logs as it likes: what is concerned is
in each record's `extra`.
"""

import json
import logging
import re
import sys
import time

OURS = "lengow"
LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
"""Without -v, with -v, with -vv. Other packages stay at WARNING unless -vv."""

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_BARE = re.compile(r"[^\s\"'=\\]+")
_KEY_IN_URL = re.compile(r"([?&][\w-]*(?:key|secret|token|signature|password)[\w-]*=)[^&\s\"]*", re.IGNORECASE)
"""HTTP libraries log whole URLs at DEBUG, and a shop may be asked with its key in the URL."""


def set_up_logs(verbose: int) -> None:
    handler = _StandardError()
    handler.setFormatter(LineFormatter())
    level = LEVELS[min(verbose, len(LEVELS) - 1)]
    logging.basicConfig(level=level if verbose > 1 else logging.WARNING, handlers=[handler])
    logging.getLogger(OURS).setLevel(level)


class LineFormatter(logging.Formatter):
    """`2026-08-01T09:00:00Z WARNING lengow.connector.importer: import left open account=main code=…`

    What came from outside can neither begin a line of its own nor reach the terminal as a control character. A
    traceback follows on indented lines.
    """

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = f"{when} {record.levelname} {record.name}: {printable(record.getMessage())}"
        facts = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line = " ".join([line, *(f"{key}={_value(value)}" for key, value in facts.items())])
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line = "\n  ".join([line, *map(printable, trace)])
        return _KEY_IN_URL.sub(r"\1***", line)


class _StandardError(logging.Handler):
    """Looks standard error up anew for each line: a progress bar takes its place while it is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001  a handler of logs must not raise
            self.handleError(record)


def printable(text: str) -> str:
    """The text on one line, with control characters escaped as in Python."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _value(value: object) -> str:
    text = str(value)
    bare = _BARE.fullmatch(text) and text.isprintable()
    return text if bare else printable(json.dumps(text, ensure_ascii=False))
