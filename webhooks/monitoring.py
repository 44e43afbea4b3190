"""`GET /healthz`, `/readyz` and `/metrics`, for a process manager, a load balancer and Prometheus.

| answer | when |
| --- | --- |
| 200 on `/healthz` | the process answers |
| 200, 503 on `/readyz` | whether the store can be written and the schedule is run, with what is wrong; `?only=store` leaves the schedule out, for a process that only takes webhooks |
| 200 on `/metrics` | Prometheus' text |
| 400 on `/readyz` | `only` has another value than `store` |
| 401, 403 on `/metrics` | not the token of `[metrics]`; no token is set, and the caller is not on this machine |
| 501 on `/metrics` | the extra `metrics` is not installed |
| 503 on `/metrics` | the store cannot be read |
"""  # noqa: E501

import hmac
from ipaddress import ip_address

from flask import Blueprint, Response, jsonify, request

from lengow.connector import Connector
from lengow.connector.errors import StoreError

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")
"""Headers by which a proxy on this machine says that the caller is not."""


def add_monitoring(pages: Blueprint, connector: Connector) -> None:
    @pages.get("/healthz")
    def alive() -> Response:
        return jsonify(status="alive")

    @pages.get("/readyz")
    def ready() -> tuple[Response, int]:
        return _ready(connector)

    @pages.get("/metrics")
    def metrics() -> Response | tuple[Response, int]:
        return _metrics(connector)


def _ready(connector: Connector) -> tuple[Response, int]:
    # Werkzeug's `args` fails for bytes that are no text.
    only = {
        one for name, _, one in (part.partition(b"=") for part in request.query_string.split(b"&")) if name == b"only"
    }
    if only - {b"store"}:
        return jsonify(code="query_invalid", message="only has another value than store."), 400
    problems = connector.problems()
    if only:
        problems = tuple(one for one in problems if not one.account)
    reasons = [
        {"code": one.code, "message": one.sentence, "what_to_do": one.what_to_do}
        | ({"account": one.account} if one.account else {})
        for one in problems
    ]
    return jsonify(status="not_ready" if reasons else "ready", reasons=reasons), 503 if reasons else 200


def _metrics(connector: Connector) -> Response | tuple[Response, int]:
    refusal = _unproven(connector)
    if refusal:
        return refusal
    try:
        from lengow.connector.metrics import CONTENT_TYPE, exposition
    except ImportError:
        text = 'Metrics need the extra: pip install "lengow-connector[metrics]".'
        return jsonify(code="metrics_not_installed", message=text), 501
    try:
        return Response(exposition(connector), content_type=CONTENT_TYPE)
    except StoreError as error:
        return jsonify(code=error.code, message="The store cannot be read."), 503


def _unproven(connector: Connector) -> tuple[Response, int] | None:
    token = connector.settings.metrics.token
    if token is None:
        if _from_this_machine():
            return None
        text = "Metrics are for this machine only, unless [metrics] has a token."
        return jsonify(code="metrics_not_shared", message=text), 403
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.reveal().encode()):
        return None
    response = jsonify(code="metrics_token_wrong", message="Send Authorization: Bearer with the token of [metrics].")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response, 401


def _from_this_machine() -> bool:
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
