"""Field rules: PrestaShop's Validate.php, as probed sign by sign (FINDINGS, Customers and addresses; platforms.md §2.8).

Only the first bad field is told, in the order of the model.
"""

import re
from collections.abc import Mapping

from lengow.sandbox.shops.prestashop.errors import Refused, invalid
from lengow.sandbox.shops.prestashop.resources import Resource

PATTERNS = {
    "isAddress": r"[^!<>?=+@{}_$%]*",
    "isBool": r"[01]",
    "isCityName": r'[^!<>;?=+@#"°{}_$%]*',
    "isCustomerName": r'(?:[^0-9!<>,;?=+()/\\@#"°*`{}_^$%:¤\[\]|.。]|[.。](?:\s|$))*',
    "isDateFormat": r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?",
    "isDniLite": r"[0-9A-Za-z.-]{1,16}",
    "isEmail": r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
    "isFloat": r"-?[0-9]+(\.[0-9]+)?",
    "isGenericName": r"[^<>={}]*",
    "isInt": r"-?[0-9]+",
    "isMd5": r"[a-f0-9A-F]{32}",
    "isMessage": r"[^<>{}]*",
    "isModuleName": r"[a-zA-Z0-9_-]+",
    "isName": r'[^0-9!<>,;?=+()@#"°{}_$%:¤|]*',
    "isNegativePrice": r"-?[0-9]{1,10}(\.[0-9]{1,9})?",
    "isNullOrUnsignedId": r"[0-9]{1,10}",
    "isPhoneNumber": r"[+0-9. ()/-]*",
    "isPostCode": r"[a-zA-Z 0-9-]+",
    "isPrice": r"[0-9]{1,10}(\.[0-9]{1,9})?",
    "isReductionType": r"amount|percentage",
    "isTrackingNumber": r"[~:#,%&_=()\[\].? +\-@/a-zA-Z0-9]+",
    "isUnsignedId": r"[0-9]{1,10}",
    "isUnsignedInt": r"[0-9]{1,10}",
}
COMPILED = {name: re.compile(pattern, re.DOTALL) for name, pattern in PATTERNS.items()}


def check_present(resource: Resource, sent: Mapping[str, str]) -> None:
    """The first required element that is missing (capture 055). For POST and PUT."""
    for field in resource.fields:
        if field.required and field.name not in sent:
            raise Refused(400, (41, f'parameter "{field.name}" required'))


def check_values(resource: Resource, sent: Mapping[str, str]) -> None:
    for field in resource.fields:
        value = sent.get(field.name)
        if value is None or field.read_only:
            continue
        about = f"{resource.model}->{field.name}"
        if value == "":
            if field.required:
                raise invalid(f"Property {about} is empty.")
            continue
        if field.size and len(value) > field.size:
            raise invalid(
                f"The length of property {about} is currently {len(value)} chars. "
                f"It must be between 0 and {field.size} chars."
            )
        pattern = COMPILED.get(field.format)
        blank = field.format == "isCustomerName" and not value.strip()
        if blank or (pattern is not None and not pattern.fullmatch(value)):
            raise invalid(f"Property {about} is not valid")
