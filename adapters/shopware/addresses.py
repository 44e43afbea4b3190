"""An address in Shopware's fields: names within its lengths, the street never cut (§4.8, §5)."""

import textwrap
import unicodedata
from typing import Any

from lengow.adapters.outcomes import Problem
from lengow.adapters.shopware.facts import LONGEST_FIRST_NAME, LONGEST_LAST_NAME, LONGEST_TEXT, TAGS
from lengow.adapters.shopware.profile import NOT_SPECIFIED, Profile
from lengow.connector.model import Address

STREET_LINES = 3
NO_NAME = UNTOLD = "-"
"""Shopware takes no blank name, street or city."""
SALUTATIONS = {
    **dict.fromkeys(("m", "mr", "monsieur", "herr", "sr", "sig", "male"), "mr"),
    **dict.fromkeys(("mme", "mlle", "mrs", "ms", "miss", "madame", "mademoiselle", "frau", "sra", "female"), "mrs"),
}


def address_of(
    address: Address,
    profile: Profile,
    field: str,
    shortened: list[str],
    *,
    relay_id: str = "",
    shipped: bool = False,
) -> dict[str, Any]:
    """Without its id. Names that are too long are cut, and named in `shortened`. Raises Problem.

    `shipped`: nobody sends anything there any more, so that what the marketplace keeps to itself is filled in.
    """
    country_id = profile.countries.get(address.country)
    if country_id is None:
        raise Problem(
            f"{field}.country",
            f"The shop has no country {address.country!r}: add it at Settings > Countries, or correct the address on the "
            "marketplace or at Lengow.",
        )
    first, last = names(address)
    street, *more = _street(address, relay_id)
    filler = UNTOLD if shipped else ""
    found = {
        "salutationId": profile.salutation(SALUTATIONS.get(address.civility.strip(". ").casefold(), NOT_SPECIFIED)),
        "firstName": _cut(first, LONGEST_FIRST_NAME, f"{field}.firstName", shortened),
        "lastName": _cut(last, LONGEST_LAST_NAME, f"{field}.lastName", shortened),
        "company": address.company or None,
        "street": street or filler,
        "additionalAddressLine1": more[0] if more else None,
        "additionalAddressLine2": more[1] if len(more) > 1 else None,
        "zipcode": address.zipcode or None,
        "city": address.city or filler,
        "countryId": country_id,
        "countryStateId": profile.country_states.get(f"{address.country}-{address.region}"),
        "phoneNumber": address.phone or None,
        "vatId": address.vat_number or None,
    }
    return {key: plain(value) if isinstance(value, str) else value for key, value in found.items()}


def plain(text: str) -> str:
    """As Shopware keeps it whole."""
    return unicodedata.normalize("NFC", text).translate(TAGS)


def names(address: Address) -> tuple[str, str]:
    """First and last name, neither blank."""
    first, last = address.first_name, address.last_name
    if not first and not last:
        first, _, last = (address.full_name or address.company).strip().partition(" ")
    if not first or not last:
        return NO_NAME, first or last or NO_NAME
    return first, last


def _street(address: Address, relay_id: str) -> list[str]:
    """The lines that are given, moved up; what is too long goes on in the next. The last one holds the rest."""
    given = [
        address.first_line,
        address.second_line,
        address.complement,
        f"Pickup point {relay_id}" if relay_id else "",
    ]
    lines = [part for line in given if line for part in textwrap.wrap(line, LONGEST_TEXT, break_long_words=True)]
    return (
        [*lines[: STREET_LINES - 1], ", ".join(lines[STREET_LINES - 1 :])]
        if len(lines) >= STREET_LINES
        else lines or [""]
    )


def _cut(text: str, most: int, field: str, shortened: list[str]) -> str:
    if len(text) > most:
        shortened.append(field)
    return text[:most].strip() or NO_NAME
