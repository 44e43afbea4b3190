"""Serve feed files to Lengow: `GET /feeds/NAME/SECRET/feed.csv`, a Flask blueprint.

The secret is compared in constant time, and whatever does not fit is 404, so that nobody learns which feeds there are. A
reader that has the file already (`If-None-Match`, `If-Modified-Since`) is answered 304. One that is reading while a new
build is put in place reads the old file to its end.
"""

import hmac
import logging
import os
from pathlib import Path

from flask import Blueprint, Response, abort, request, send_file
from werkzeug.exceptions import HTTPException

from lengow.connector import Settings
from lengow.feeds.files import complete
from lengow.feeds.formats import FORMATS
from lengow.feeds.settings import Feed, groups, path_of, read_feeds

log = logging.getLogger("lengow.feeds")


def blueprint(settings: Settings, name: str = "lengow_feeds") -> Blueprint:
    """The feeds that have a `secret`, to be registered in a host's app. Raises SettingsError."""
    feeds = {key: feed for key, feed in read_feeds(settings).items() if feed.secret is not None}
    first = {
        name: min(path_of(settings, one) for one in group.feeds.values())
        for group in groups(settings)
        for name in group.feeds
    }
    pages = Blueprint(name, __name__)

    @pages.get("/feeds/<feed>/<secret>/<file>")
    def serve(feed: str, secret: str, file: str) -> Response:
        found = feeds.get(feed)
        if not _is_secret(found, secret) or found is None or file != file_name(found):
            log.warning("feed refused", extra={"remote": request.remote_addr})
            abort(404)
        complete(first[feed])
        return _sent(path_of(settings, found), found)

    return pages


def url_path(name: str, feed: Feed) -> str:
    """The path of a feed's URL, with its secret; empty where it has none."""
    return f"/feeds/{name}/{feed.secret.reveal()}/{file_name(feed)}" if feed.secret else ""


def file_name(feed: Feed) -> str:
    return f"feed.{feed.format}{'.gz' if feed.gzip else ''}"


def _is_secret(feed: Feed | None, given: str) -> bool:
    """Also for a feed that is not there something is compared, so that it takes as long."""
    expected = feed.secret.reveal() if feed is not None and feed.secret is not None else "-" * 48
    return hmac.compare_digest(given.encode(), expected.encode()) and feed is not None


def _sent(path: Path, feed: Feed) -> Response:
    """Facts and content are of one open file: a build may replace it meanwhile."""
    try:
        file = open(path, "rb")  # noqa: SIM115 closed with the response
    except FileNotFoundError:
        abort(404)
    facts = os.fstat(file.fileno())
    response = send_file(
        file,
        mimetype="application/gzip" if feed.gzip else FORMATS[feed.format].mimetype,
        etag=f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}",
        last_modified=facts.st_mtime,
        conditional=False,
    )
    response.content_length = facts.st_size
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Robots-Tag"] = "noindex"
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=facts.st_size)
    except HTTPException:  # a part that there is not
        file.close()
        raise
    return response
