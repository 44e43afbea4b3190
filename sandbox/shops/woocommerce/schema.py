"""WordPress's check of a body against the REST schema; it runs for single calls, and not for batches (FINDINGS, trap 5).

WordPress takes "2" for an integer and "true" for a boolean, but no number for a string.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lengow.sandbox.shops.woocommerce.errors import invalid_param
from lengow.sandbox.shops.woocommerce.records import ADDRESS

STATUSES = (
    "auto-draft",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
)
CURRENCIES = frozenset(
    """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTC BTN BWP BYN BZD CAD CDF
    CHF CLP CNY COP CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GGP GHS GIP GMD GNF GTQ GYD HKD
    HNL HRK HTG HUF IDR ILS IMP INR IQD IRR IRT ISK JEP JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD
    LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN
    PRB PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLL SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD
    TZS UAH UGX USD UYU UZS VEF VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW""".split()
)
EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

Check = Callable[[Any, str], None]


class _Wrong(Exception):
    def __init__(self, message: str, code: str = "rest_invalid_type", param: str = "") -> None:
        super().__init__(message)
        self.message, self.code = message, code
        self.data = {"param": param} if param else None


def check_order(body: Mapping[str, Any]) -> None:
    """Raises Refused with WordPress's words for the first field that does not fit."""
    for name, check in ORDER.items():
        if name in body:
            try:
                check(body[name], name)
            except _Wrong as wrong:
                raise invalid_param(name, wrong.message, wrong.code, wrong.data) from wrong


def is_integer(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return re.fullmatch(r"-?\d+(\.0*)?", value) is not None
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _Wrong(f"{path} is not of type string.", param=path)


def _integer(value: Any, path: str) -> None:
    if not is_integer(value):
        raise _Wrong(f"{path} is not of type integer.", param=path)


def _boolean(value: Any, path: str) -> None:
    if value not in (True, False, "true", "false", "0", "1", ""):
        raise _Wrong(f"{path} is not of type boolean.", param=path)


def _email(value: Any, _path: str) -> None:
    if value is not None and not (isinstance(value, str) and EMAIL.fullmatch(value)):
        raise _Wrong("Invalid email address.", "rest_invalid_email")


def _enum(values: tuple[str, ...] | frozenset[str]) -> Check:
    def check(value: Any, path: str) -> None:
        if value not in values:
            names = sorted(values) if isinstance(values, frozenset) else list(values)
            listed = f"{', '.join(names[:-1])}, and {names[-1]}"
            raise _Wrong(f"{path} is not one of {listed}.", "rest_not_in_enum")

    return check


def _object(fields: Mapping[str, Check]) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _Wrong(f"{path} is not of type object.", param=path)
        for name, inner in fields.items():
            if name in value:
                inner(value[name], f"{path}[{name}]")

    return check


def _list(inner: Check) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise _Wrong(f"{path} is not of type array.", param=path)
        for place, one in enumerate(value):
            inner(one, f"{path}[{place}]")

    return check


_META = _list(_object({"key": _text}))
_ADDRESS: dict[str, Check] = dict.fromkeys((*ADDRESS, "phone"), _text)

ORDER: dict[str, Check] = {
    "status": _enum(STATUSES),
    "currency": _enum(CURRENCIES),
    "customer_id": _integer,
    "parent_id": _integer,
    "customer_note": _text,
    "created_via": _text,
    "payment_method": _text,
    "payment_method_title": _text,
    "transaction_id": _text,
    "set_paid": _boolean,
    "billing": _object({**_ADDRESS, "email": _email}),
    "shipping": _object(_ADDRESS),
    "meta_data": _META,
    "line_items": _list(
        _object(
            {
                "id": _integer,
                "name": _text,
                "product_id": _integer,
                "variation_id": _integer,
                "quantity": _integer,
                "sku": _text,
                "subtotal": _text,
                "total": _text,
                "tax_class": _text,
                "meta_data": _META,
            }
        )
    ),
    "shipping_lines": _list(_object({"method_title": _text, "total": _text, "meta_data": _META})),
    "fee_lines": _list(
        _object({"total": _text, "tax_class": _text, "tax_status": _enum(("taxable", "none")), "meta_data": _META})
    ),
    "coupon_lines": _list(_object({"code": _text})),
}
