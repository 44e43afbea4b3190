"""A marketplace's address as PrestaShop's: cleaned, cut, and with what it demands filled in (platforms.md §2.8, §5)."""

from collections.abc import Mapping

from lengow.adapters.outcomes import Problem
from lengow.adapters.prestashop.cleaning import Cleaner
from lengow.adapters.prestashop.profile import Country, Place, Profile
from lengow.connector.model import Address

ALIAS = "Lengow"
NOBODY = "-"
"""Where there is no name or street at all: PrestaShop wants one."""
COMPARED = (
    "id_country", "id_state", "company", "lastname", "firstname", "address1", "address2", "postcode", "city", "other",
    "phone",
)  # fmt: skip

Fields = dict[str, str]


def address_fields(
    address: Address, kind: str, profile: Profile, cleaner: Cleaner, *, extra: str = "", needed: bool = True
) -> Fields:
    """The fields of `POST addresses`, but for its customer. `extra`: what else the parcel needs.

    `needed`: whether a parcel goes there. Else what is missing is filled in: of what it ships, the marketplace tells no
    street. Raises Problem.
    """
    country = country_of(address, kind, profile, needed=needed)
    first, last = names_of(address)
    address1, address2, other = _lines(address, kind, cleaner, extra)
    city = cleaner.text(address.city, "city", "city", kind)
    for field, value in (("address1", address1), ("city", city)):
        if not value and needed:
            raise Problem(
                f"{kind}.{field}",
                f"The {kind} address has no {field}, and PrestaShop demands one: complete the address on the "
                "marketplace or at Lengow.",
            )
    fields = {
        "id_country": str(country.id),
        "id_state": str(_region(address, country, profile)),
        "alias": ALIAS,
        "company": cleaner.text(address.company, "generic", "company", kind),
        "lastname": cleaner.text(last, "name", "lastname", kind) or NOBODY,
        "firstname": cleaner.text(first, "name", "firstname", kind) or NOBODY,
        "vat_number": cleaner.text(address.vat_number, "generic", "vat_number", kind),
        "address1": address1 or NOBODY,
        "address2": address2,
        "postcode": cleaner.text(address.zipcode, "postcode", "postcode", kind),
        "city": city or NOBODY,
        "other": other,
        "phone": cleaner.text(address.phone, "phone", "phone", kind),
    }
    if country.needs_identification and address.vat_number:
        fields["dni"] = cleaner.text(address.vat_number, "dni", "dni", kind)
    return {name: value for name, value in fields.items() if value}


def country_of(address: Address, kind: str, profile: Profile, *, needed: bool = True) -> Country:
    """Raises Problem."""
    country = profile.countries.get(address.country)
    if country is None and not (address.country or needed):
        home = profile.number("PS_COUNTRY_DEFAULT")
        country = next((one for one in profile.countries.values() if one.id == home), None)
    if country is None or not country.active:
        raise Problem(
            f"{kind}.country",
            f"The shop does not sell to the country {address.country!r}: switch it on at International > Locations, "
            "or correct the address on the marketplace or at Lengow.",
        )
    return country


def place_of(fields: Mapping[str, str]) -> Place:
    return Place(int(fields["id_country"]), int(fields.get("id_state", 0)), fields.get("postcode", ""))


def names_of(address: Address) -> tuple[str, str]:
    """First and last name; a full name is parted at its first space (lengow.md §6.8)."""
    first, last = address.first_name.strip(), address.last_name.strip()
    if first and last:
        return first, last
    whole = first or last or address.full_name.strip() or address.company.strip()
    first, _, last = whole.partition(" ")
    return (first, last) if last else (NOBODY, whole or NOBODY)


def same(wanted: Mapping[str, str], held: Mapping[str, object]) -> bool:
    def text(value: object) -> str:
        return "" if value in (None, "0", 0) else str(value)

    return all(text(wanted.get(name)) == text(held.get(name)) for name in COMPARED)


def _lines(address: Address, kind: str, cleaner: Cleaner, extra: str) -> tuple[str, str, str]:
    """What does not fit into one line goes on in the next, and at last into `other`, which the label may not show."""
    given = [line for line in (address.first_line, address.second_line, address.complement) if line.strip()]
    address1, rest = cleaner.overflowing(given[0] if given else "", "address", "address1", kind)
    second = ", ".join(filter(None, (rest, *given[1:2])))
    address2, rest = cleaner.overflowing(second, "address", "address2", kind)
    other = cleaner.text(", ".join(filter(None, (extra, rest, *given[2:]))), "message", "other", kind)
    return address1, address2, other


def _region(address: Address, country: Country, profile: Profile) -> int:
    if not country.has_states or not address.region:
        return 0
    return profile.regions.get((country.id, address.region.strip().casefold()), 0)
