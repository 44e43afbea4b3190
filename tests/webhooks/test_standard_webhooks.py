"""The check of a Standard Webhooks signature: the specification's own example, and one spoiled part a test."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing import NEW_SECRET, SECRET, signature

from lengow.adapters.standard_webhooks import key_of, verify
from lengow.connector.adapter import Request
from lengow.connector.errors import SettingsError, SignatureError
from lengow.connector.secret import Secret

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = "1614265330"
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
SENT_AT = datetime.fromtimestamp(1614265330, UTC)
GOOD = {"webhook-id": ID, "webhook-timestamp": TIMESTAMP, "webhook-signature": SIGNATURE}
GONE = None


def check(body=BODY, *, secrets=(SECRET,), now=SENT_AT, **changes):
    headers = {**GOOD, **{f"webhook-{name}": value for name, value in changes.items()}}
    given = {name: value for name, value in headers.items() if value is not GONE}
    return verify(Request(given, body), [Secret(secret) for secret in secrets], now)


def test_the_example_of_the_specification_is_genuine_and_gives_its_id():
    assert check() == ID


def test_the_test_signs_as_the_specification_does():
    assert signature(SECRET, ID, TIMESTAMP, BODY) == SIGNATURE


def signed(**changes):
    """Headers whose id or time were changed before signing."""
    given = {"id": ID, "timestamp": TIMESTAMP, **changes}
    return {**given, "signature": signature(SECRET, given["id"], given["timestamp"], BODY)}


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        pytest.param({"id": GONE}, "missing", id="no id"),
        pytest.param({"timestamp": GONE}, "missing", id="no time"),
        pytest.param({"signature": GONE}, "missing", id="no signature"),
        pytest.param({"id": ""}, "missing", id="empty id"),
        pytest.param({"id": "msg_another"}, "not signed", id="another id"),
        pytest.param(signed(id="x" * 201), "webhook-id", id="id too long"),
        pytest.param(signed(id="msg_é"), "webhook-id", id="id not ASCII"),
        pytest.param(signed(id="msg\x00"), "webhook-id", id="id with a control character"),
        pytest.param(signed(id="msg.1"), "webhook-id", id="id with a full stop, which would blur what is signed"),
        pytest.param({"timestamp": "1614265331"}, "not signed", id="another time"),
        pytest.param(signed(timestamp="1614265330.5"), "whole number", id="fraction of a second"),
        pytest.param(signed(timestamp="-1614265330"), "whole number", id="negative time"),
        pytest.param(signed(timestamp=" 1614265330"), "whole number", id="time with a space"),
        pytest.param(signed(timestamp="١٦١٤٢٦٥٣٣٠"), "whole number", id="time in other digits"),
        pytest.param(signed(timestamp="1" * 5000), "whole number", id="time without end"),
        pytest.param(signed(timestamp="soon"), "whole number", id="time in words"),
        pytest.param({"signature": "garbage"}, "not signed", id="signature without version"),
        pytest.param({"signature": "v1"}, "not signed", id="version only"),
        pytest.param({"signature": SIGNATURE.removeprefix("v1,")}, "not signed", id="signature only"),
        pytest.param({"signature": "v1,"}, "not signed", id="nothing signed"),
        pytest.param({"signature": "v1,a"}, "not signed", id="not base64"),
        pytest.param({"signature": "v1,\udcff"}, "not signed", id="bytes that are no text"),
        pytest.param({"signature": SIGNATURE.removesuffix("=")}, "not signed", id="padding left out"),
        pytest.param({"signature": SIGNATURE.replace("v1", "v1a")}, "not signed", id="another kind of signature"),
        pytest.param({"signature": SIGNATURE.replace("v1", "v2")}, "not signed", id="a later version"),
        pytest.param({"signature": SIGNATURE.lower()}, "not signed", id="in lower case"),
        pytest.param({"signature": signature(NEW_SECRET, ID, TIMESTAMP, BODY)}, "not signed", id="another secret"),
        pytest.param({"body": BODY + b" "}, "not signed", id="a space more"),
        pytest.param({"body": b'{"test":2432232314}'}, "not signed", id="JSON written anew"),
        pytest.param({"body": b""}, "not signed", id="no body"),
        pytest.param({"secrets": ()}, "not signed", id="shop without a secret"),
    ],
)
def test_one_spoiled_part_is_refused(spoiled, words):
    with pytest.raises(SignatureError, match=words):
        check(**spoiled)


@pytest.mark.parametrize(
    ("late", "genuine"),
    [
        pytest.param(300, True, id="five minutes late"),
        pytest.param(301, False, id="later"),
        pytest.param(-300, True, id="five minutes ahead"),
        pytest.param(-301, False, id="further ahead"),
        pytest.param(86400 * 365, False, id="a year late"),
    ],
)
def test_a_delivery_may_be_five_minutes_old_or_new(late, genuine):
    now = SENT_AT + timedelta(seconds=late)
    if genuine:
        assert check(now=now) == ID
    else:
        with pytest.raises(SignatureError, match="5 minutes"):
            check(now=now)


@pytest.mark.parametrize(
    "signatures",
    [
        pytest.param(f"v1,AAAA {SIGNATURE}", id="the second of two"),
        pytest.param(f"{SIGNATURE} v1,AAAA", id="the first of two"),
        pytest.param(f"v1a,AAAA {SIGNATURE} v9,x", id="among other versions"),
        pytest.param(f"garbage , {SIGNATURE}", id="among garbage"),
        pytest.param(f"  {SIGNATURE}  ", id="among spaces"),
    ],
)
def test_of_several_signatures_one_is_enough(signatures):
    assert check(signature=signatures) == ID


@pytest.mark.parametrize("secrets", [(NEW_SECRET, SECRET), (SECRET, NEW_SECRET)], ids=["old last", "old first"])
def test_while_secrets_are_changed_either_is_good(secrets):
    assert check(secrets=secrets) == ID
    assert check(secrets=secrets, signature=signature(NEW_SECRET, ID, TIMESTAMP, BODY)) == ID


def test_after_the_change_the_old_secret_is_refused():
    with pytest.raises(SignatureError):
        check(secrets=(NEW_SECRET,))


@pytest.mark.parametrize("length", [24, 32, 64])
@pytest.mark.parametrize("prefix", ["whsec_", ""])
def test_a_secret_is_base64_of_24_to_64_bytes(length, prefix):
    key = bytes(range(length))
    assert key_of(Secret(prefix + base64.b64encode(key).decode())) == key


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("whsec_", id="nothing"),
        pytest.param("whsec_" + base64.b64encode(b"x" * 23).decode(), id="23 bytes"),
        pytest.param("whsec_" + base64.b64encode(b"x" * 65).decode(), id="65 bytes"),
        pytest.param("whsec_not base64!" + "x" * 40, id="not base64"),
        pytest.param("whsec_" + "é" * 40, id="not ASCII"),
        pytest.param("whsk_" + base64.b64encode(b"x" * 32).decode(), id="a key of the other kind"),
    ],
)
def test_another_secret_is_a_mistake_in_the_settings_that_does_not_show_it(text):
    with pytest.raises(SettingsError, match="24 to 64 bytes") as refused:
        key_of(Secret(text))
    shown = f"{refused.value} {refused.value!r} {refused.value.about}"
    assert text.removeprefix("whsec_") not in shown or text == "whsec_"
    assert "secrets.token_bytes" in refused.value.what_to_do


HEADER = st.text(alphabet=st.characters(codec=None), max_size=40) | st.sampled_from(
    [ID, TIMESTAMP, SIGNATURE, "v1,", " v1,="]
)
NAMES = st.sampled_from([*GOOD, "content-type"])


@given(st.dictionaries(NAMES, HEADER), st.binary(max_size=50), st.datetimes(timezones=st.just(UTC)))
def test_whatever_comes_nothing_but_signature_error_is_raised(headers, body, now):
    with pytest.raises(SignatureError):
        verify(
            Request({**headers, "webhook-id": headers.get("webhook-id", "other")}, body + b"!"), [Secret(SECRET)], now
        )


@given(st.sampled_from(list(GOOD)), HEADER)
def test_whatever_one_header_is_it_is_genuine_or_refused(name, value):
    try:
        verify(Request({**GOOD, name: value}, BODY), [Secret(SECRET)], SENT_AT)
    except SignatureError:
        assert GOOD[name] != value
    else:
        assert SIGNATURE in value.split() or GOOD[name] == value
