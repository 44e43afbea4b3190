"""`POST /webhooks/<shop>`: verify, store, answer. Nothing else happens while the sender waits.

| answer | when |
| --- | --- |
| 202 accepted | committed, and will be worked off |
| 200 already_taken | this delivery was committed before |
| 200 no_news | nothing in it is for us, such as the echo of our own write |
| 200 hello | a platform's unsigned greeting to a new webhook |
| 400 payload_invalid | signed, but not what the contract asks for |
| 401 signature_invalid | not signed by a secret of the shop, or stale |
| 404 shop_unknown | no such shop |
| 411, 413, 415 | no length, too large, not JSON |
| 503 store_busy, settings_invalid, … | not taken, for a fault on this side: send it again (`Retry-After`) |
"""

import logging
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from lengow.connector import Connector
from lengow.connector.adapter import Request
from lengow.connector.errors import LengowError, PayloadInvalid, SignatureError, StoreError
from lengow.webhooks.monitoring import add_monitoring

log = logging.getLogger("lengow.webhooks")

LARGEST_BODY = 256 * 1024
"""Bytes; reference platforms.md §6.2."""

RETRY_SECONDS = "10"


def blueprint(connector: Connector, name: str = "lengow_webhooks") -> Blueprint:
    """The receiver and its health, for a host's app: `app.register_blueprint(blueprint(c), url_prefix="/lengow")`."""
    pages = Blueprint(name, __name__)

    @pages.post("/webhooks/<shop>")
    def take(shop: str) -> tuple[Response, int]:
        return _take(connector, shop)

    add_monitoring(pages, connector)
    return pages


def create_app(connector: Connector) -> Flask:
    """An app that has the receiver and its health, and nothing else; what `lengow-connector serve` runs."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.register_blueprint(blueprint(connector))
    app.register_error_handler(HTTPException, _unknown)
    return app


def _unknown(error: HTTPException) -> Any:
    """No such address or method: to a program in the shape of the other answers, to a browser as a page."""
    kinds = request.accept_mimetypes
    status = error.code or 500
    if status < 400 or kinds.best_match(["application/json", "text/html"]) == "text/html":
        return error
    response = error.get_response()
    response.data = jsonify(code=HTTPStatus(status).name.lower(), message=f"{error.name}.").data
    response.content_type = "application/json"
    return response


def _take(connector: Connector, shop: str) -> tuple[Response, int]:
    if shop not in connector.settings.shops:
        return _refusal("shop_unknown", "There is no such shop here.", 404)
    if request.content_length is None:
        return _refusal("length_missing", "Send a Content-Length.", 411)
    if request.content_length > LARGEST_BODY:
        return _refusal("too_large", f"The body is larger than {LARGEST_BODY} bytes.", 413)
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return _refusal("too_large", "The body is larger than this app takes.", 413)
    except ClientDisconnected:
        body = b""
    if len(body) != request.content_length:
        return _refusal("length_wrong", "The body is not as long as Content-Length says.", 400)
    delivery = Request({name.lower(): value for name, value in request.headers.items()}, body)
    return _receive(connector, shop, delivery)


def _receive(connector: Connector, shop: str, delivery: Request) -> tuple[Response, int]:
    try:
        if connector.greets(shop, delivery):
            return jsonify(status="hello"), 200
        if request.mimetype != "application/json":
            return _refusal("content_type_invalid", "Send application/json.", 415)
        receipt = connector.receive(shop, delivery)
    except SignatureError as error:
        log.warning("delivery refused", extra={"shop": shop, "reason": str(error), "remote": request.remote_addr})
        return _refusal(error.code, "The delivery is not signed with a webhook secret of this shop.", 401)
    except PayloadInvalid as error:
        return _refusal(error.code, f"{error} {error.what_to_do}", 400)
    except StoreError as error:
        log.warning("delivery not taken", extra={"shop": shop, "code": error.code, "error": str(error)})
        return _not_taken(error)
    except LengowError as error:
        log.error("delivery not taken", extra={"shop": shop, "code": error.code, "error": str(error)})
        return _not_taken(error)
    if receipt.taken:
        return jsonify(status="accepted"), 202
    return jsonify(status="already_taken" if receipt.repeated else "no_news"), 200


def _not_taken(error: LengowError) -> tuple[Response, int]:
    response, status = _refusal(error.code, "Not taken; send it again.", 503)
    response.headers["Retry-After"] = RETRY_SECONDS
    return response, status


def _refusal(code: str, sentence: str, status: int) -> tuple[Response, int]:
    return jsonify(code=code, message=sentence), status
