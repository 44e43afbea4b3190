"""Every case that the libraries of Standard Webhooks publish in their own tests, and what their check makes of it.

Source: github.com/standard-webhooks/standard-webhooks, `libraries/`, read on 2026-11-24:

| library | file | commit |
| --- | --- | --- |
| python | `python/tests/test_webhooks.py` | 33d368b |
| javascript | `javascript/src/webhook.test.ts` | 10d3e46 |
| go | `go/webhook_test.go`, `go/webhook_symmetric_test.go` | 449485c, 3ac24af |
| rust | `rust/src/lib.rs` | 1e88c9c |
| ruby | `ruby/spec/webhook_spec.rb` | 01962d6 |
| java | `java/src/test/java/com/standardwebhooks/WebhookTest.java` | 14ae328 |
| csharp | `csharp/StandardWebhooks.Tests/WebhookTest.cs` | 1e88c9c |
| php | `php/tests/WebhookTest.php` | 10f5314 |
| elixir | `elixir/test/standard_webhooks_test.exs` | 59ec38b |

Two of them are whole vectors with a signature. The others sign at the time of the test, as `signing.py` does here. None
takes headers by another name (Svix' own library, which these come from, also takes `svix-id`, …), so that neither do we.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from signing import signature

from lengow.adapters.standard_webhooks import key_of, verify
from lengow.connector.adapter import Request
from lengow.connector.errors import SettingsError, SignatureError
from lengow.connector.secret import Secret

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
PAYLOAD = b'{"test": 2432232314}'
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RUST_ID = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"
RUST_PAYLOAD = b'{"email":"test@example.com","username":"test_user"}'
RUST_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = 1614265330
TOLERANCE = 5 * 60
GONE = None

WHOLE = [
    pytest.param(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        id="all but rust: sign function works",
    ),
    pytest.param(
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        b'{"email":"test@example.com","username":"test_user"}',
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        id="rust: test_sign",
    ),
]


@pytest.mark.parametrize(("secret", "delivery_id", "moment", "payload", "published"), WHOLE)
def test_a_published_vector_is_genuine(
    secret: str, delivery_id: str, moment: int, payload: bytes, published: str
) -> None:
    assert signature(secret, delivery_id, str(moment), payload) == published
    headers = {"webhook-id": delivery_id, "webhook-timestamp": str(moment), "webhook-signature": published}
    for late in (0, TOLERANCE, -TOLERANCE):
        assert check(headers, payload, secret, now=moment + late) == delivery_id


def check(headers: Mapping[str, str], payload: bytes, *secrets: str, now: int = NOW) -> str:
    return verify(Request(headers, payload), [Secret(one) for one in secrets], datetime.fromtimestamp(now, UTC))


def signed(
    secret: str = SECRET, delivery_id: str = ID, payload: bytes = PAYLOAD, *, at: int = NOW, **changes: str | None
) -> dict[str, str]:
    """The headers of the libraries' test payload; `changes`: of `id`, `timestamp`, `signature`, None for none."""
    headers: dict[str, str | None] = {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, delivery_id, str(at), payload),
    } | {f"webhook-{name}": value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not GONE}


GOOD = signed()["webhook-signature"]
RUST_GOOD = signed(RUST_SECRET, RUST_ID, RUST_PAYLOAD)["webhook-signature"]
OTHER = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


@pytest.mark.parametrize(
    ("secret", "delivery_id", "payload", "signatures"),
    [
        pytest.param(SECRET, ID, PAYLOAD, GOOD, id="valid signature is valid"),
        pytest.param("whsec_" + SECRET, ID, PAYLOAD, GOOD, id="verification works with and without prefix"),
        pytest.param(SECRET, ID, PAYLOAD, f"v1,{OTHER} v2,{OTHER} {GOOD} v1,{OTHER}", id="multi sig payload is valid"),
        pytest.param(RUST_SECRET, RUST_ID, RUST_PAYLOAD, RUST_GOOD, id="rust: test_verify"),
        pytest.param(
            RUST_SECRET,
            RUST_ID,
            RUST_PAYLOAD,
            f"v1,tFtCZ5RDCPxzWQRWXWPgrCgE2frDBe9gjpbWQxnVfsQ= v1,Mm7xgUVICxZfQ3bgf0h0Dof65L/IFx+PnZvnDWPCX6Q="
            f" {RUST_GOOD} v1,9DfC1c3eeOrXB6w/5dIDydLNQaEyww5KalE5jLBZucE=",
            id="rust: test_verify_with_multiple_signatures",
        ),
    ],
)
def test_what_the_libraries_take_is_genuine(secret: str, delivery_id: str, payload: bytes, signatures: str) -> None:
    headers = signed(secret, delivery_id, payload, signature=signatures)
    assert check(headers, payload, secret) == delivery_id


def test_elixir_takes_a_secret_that_is_encoded_text() -> None:
    """Its other test, a secret without prefix that is no base64 but the key itself, no other library agrees with."""
    secret = "whsec_" + base64.b64encode(SECRET.encode()).decode()
    payload = b'{"event_type":"ping"}'
    assert check(signed(secret, payload=payload), payload, secret) == ID


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(signed(id=GONE), id="missing id"),
        pytest.param(signed(timestamp=GONE), id="missing timestamp"),
        pytest.param(signed(signature=GONE), id="missing signature"),
        pytest.param(signed(timestamp="hello"), id="javascript, python: invalid timestamp"),
        pytest.param(signed(timestamp="teadwd"), id="ruby: invalid timestamp"),
        pytest.param(signed(signature="v1,dawfeoifkpqwoekfpqoekf"), id="javascript, php: invalid signature"),
        pytest.param(signed(signature=f"v1,{OTHER}"), id="go: invalid signature"),
        pytest.param(
            signed(signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="), id="python: invalid signature"
        ),
        pytest.param(
            signed(signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLawdd"), id="ruby, csharp: invalid signature"
        ),
        pytest.param(signed(signature="invalid signature"), id="elixir: invalid signature"),
        pytest.param(signed(signature=GOOD[:8]), id="javascript: partial signature, eight characters"),
        pytest.param(signed(signature="v1,"), id="javascript, go: partial signature, none"),
        pytest.param(signed(signature="v2," + GOOD.removeprefix("v1,")), id="java: signature with different version"),
        pytest.param(signed(signature="invalid_signature"), id="java: missing parts in signature"),
        pytest.param(signed(signature="v1,invalid_signature"), id="java: signature mismatch"),
        pytest.param(signed(at=NOW - TOLERANCE - 1), id="old timestamp"),
        pytest.param(signed(at=NOW + TOLERANCE + 1), id="new timestamp"),
        pytest.param(signed(timestamp="946684800"), id="go: a timestamp of the year 2000 that was not signed"),
        pytest.param(signed(timestamp="161426533.0"), id="php: timestamp with a fraction"),
        pytest.param(signed(timestamp="invalid timestamp"), id="php: timestamp in words"),
        pytest.param(signed(timestamp="-161426533"), id="php: negative timestamp"),
        pytest.param(
            {name.replace("webhook-", "svix-"): value for name, value in signed().items()}, id="Svix' own headers"
        ),
    ],
)
def test_what_the_libraries_refuse_is_refused(headers: dict[str, str]) -> None:
    for secret in (SECRET, "whsec_" + SECRET):
        with pytest.raises(SignatureError):
            check(headers, PAYLOAD, secret)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"signature": "v1,R3PTzyfHASBKHH98a7yexTwaJ4yNIcGhFQc1yuN+BPU="}, id="rust: test_no_verify"),
        pytest.param({"timestamp": str(NOW - TOLERANCE - 1)}, id="rust: test_verify_incorrect_timestamp, old"),
        pytest.param({"timestamp": str(NOW + TOLERANCE + 1)}, id="rust: test_verify_incorrect_timestamp, new"),
        pytest.param(
            {
                "signature": "v1,tFtCZ5RDCPxzWQRWXWPgrCgE2frDBe9gjpbWQxnVfsQ="
                " v1,Mm7xgUVICxZfQ3bgf0h0Dof65L/IFx+PnZvnDWPCX6Q="
                " v1,9DfC1c3eeOrXB6w/5dIDydLNQaEyww5KalE5jLBZucE="
            },
            id="rust: test_no_verify_with_multiple_signatures",
        ),
        *(
            pytest.param({name: GONE}, id=f"rust: test_missing_headers, {name}")
            for name in ("id", "timestamp", "signature")
        ),
    ],
)
def test_what_rust_refuses_is_refused(headers: dict[str, str | None]) -> None:
    with pytest.raises(SignatureError):
        check(signed(RUST_SECRET, RUST_ID, RUST_PAYLOAD, **headers), RUST_PAYLOAD, RUST_SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_"])
def test_an_empty_secret_is_a_mistake_in_the_settings(secret: str) -> None:
    """javascript: "empty key raises error"; elixir: "Secret must not be empty"."""
    with pytest.raises(SettingsError):
        check(signed(), PAYLOAD, secret)


def test_while_secrets_are_changed_a_delivery_of_both_is_genuine_for_each() -> None:
    """The specification, "Webhook headers": signed by the old and the new key, both signatures in one header."""
    new = "whsec_" + base64.b64encode(bytes(range(24))).decode()
    both = f"{GOOD} {signature(new, ID, str(NOW), PAYLOAD)}"
    for secrets in ((SECRET,), (new,), (SECRET, new), (new, SECRET)):
        assert check(signed(signature=both), PAYLOAD, *secrets) == ID


def test_a_signature_by_key_pair_beside_ours_is_passed_over() -> None:
    """The specification's example header: `v1,… v1a,…`. We do not take `v1a` (ed25519): it is no proof to us."""
    pair = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    assert check(signed(signature=f"{GOOD} {pair}"), PAYLOAD, SECRET) == ID
    with pytest.raises(SignatureError):
        check(signed(signature=pair), PAYLOAD, SECRET)


def test_the_example_of_svix_is_right_but_its_secret_too_short_for_the_specification() -> None:
    """docs.svix.com, "Verifying Webhooks Manually": 18 bytes, where Standard Webhooks asks for 24 to 64."""
    secret = "whsec_plJ3nmyCDGBKInavdOK15jsl"
    payload = b'{"event_type":"ping","data":{"success":true}}'
    published = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
    assert signature(secret, "msg_loFOjxBNrRLzqYUf", "1731705121", payload) == published
    with pytest.raises(SettingsError, match="24 to 64 bytes"):
        key_of(Secret(secret))
