"""Sales out of a seed: the same seed and calls give the same orders (their dates follow the clock)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from lengow.sandbox.catalogue import Product, products
from lengow.sandbox.errors import SandboxError
from lengow.sandbox.money import cents, rate
from lengow.sandbox.people import buyer, company, relay
from lengow.sandbox.sales import Address, Line, Package, Parcel, Sale, with_lines

# What a merchant's day looks like: weights, used when `sell` is not told.
REALISTIC: Mapping[str, float] = {
    "standard": 50,
    "fulfilment": 12,
    "multi_line": 10,
    "relay": 6,
    "business": 5,
    "pending": 4,
    "multi_package": 3,
    "spanish": 3,
    "foreign_currency": 2,
    "missing_fields": 2,
    "refused": 1,
    "canceled": 1,
    "late": 1,
}
# The ways in which a `missing_fields` order lacks something. It is still an order to import.
MISSING = ("billing", "phones", "order_date", "customer", "taxes", "trackings", "payments", "names", "email")
PREFIXES = {"manomano_fr": "M", "manomano_es": "N", "fnac_fr": "F", "decathlon_fr": "D", "darty_fr": "Y"}
SHIPPING = tuple(map(Decimal, ("0.00", "4.90", "5.90", "9.90", "14.90")))
FOREIGN = ("GBP", "PLN", "SEK")
WITHOUT_RATE = "CZK"
CATALOG_ID = 3131


class Generator:
    """The orders of one account. Seed and account keep order ids apart."""

    def __init__(self, seed: int, account_index: int) -> None:
        self._random = Random(f"{seed}/{account_index}")
        self._seed = seed
        self._index = account_index
        self._count = 0

    def sales(
        self,
        account_id: int,
        count: int,
        now: datetime,
        kinds: Mapping[str, float] | None = None,
        marketplace: str = "manomano_fr",
        skus: Sequence[str] | None = None,
        ordered_at: datetime | None = None,
        catalog_id: int = CATALOG_ID,
    ) -> list[Sale]:
        """`count` sales in an order that mixes the kinds.

        `kinds` that add up to `count` are exact counts, else weights. Raises SandboxError for an unknown kind.
        """
        batch = Batch(self._random, account_id, now, ordered_at, marketplace, products(skus), catalog_id)
        mix = apportion(count, REALISTIC if kinds is None else kinds)
        order = [kind for kind, number in mix.items() for _ in range(number)]
        self._random.shuffle(order)
        return [batch.sale(kind, *self._next_id(marketplace)) for kind in order]

    def _next_id(self, marketplace: str) -> tuple[str, int]:
        """As long as ManoMano's own ids: a letter and 12 digits."""
        self._count += 1
        digits = f"{self._seed % 100:02d}{self._index % 100:02d}{self._count:08d}"
        return PREFIXES[marketplace] + digits, self._index * 1_000_000 + self._count


@dataclass(frozen=True, slots=True)
class Batch:
    """What all orders of one `sell` have in common."""

    random: Random
    account_id: int
    now: datetime
    ordered_at: datetime | None
    marketplace: str
    products: Sequence[Product]
    catalog_id: int

    def sale(self, kind: str, order_id: str, serial: int) -> Sale:
        return _KINDS[kind](self, self._standard(kind, order_id, serial))

    def _standard(self, kind: str, order_id: str, serial: int) -> Sale:
        address = buyer(self.random, serial, "ES" if self.marketplace == "manomano_es" else "FR")
        line = self._line(order_id, 1)
        moments_ago = timedelta(seconds=self.random.randrange(1, 600))
        return Sale(
            account_id=self.account_id,
            marketplace=self.marketplace,
            id=order_id,
            serial=serial,
            kind=kind,
            state="waiting_shipment",
            ordered_at=(self.ordered_at or self.now - moments_ago).replace(microsecond=0),
            packages=(Package((line,), address),),
            billing=replace(address, complement=None),
            currency="EUR",
            shipping=self.random.choice(SHIPPING),
            processing_fee=Decimal("1.50") if self.random.random() < 0.05 else None,
            customer_id=f"c-{serial:06d}",
            comments="Sonner à l'interphone « D'Angély » SVP" if self.random.random() < 0.1 else None,
            catalog_id=self.catalog_id,
        )

    def _line(self, order_id: str, number: int) -> Line:
        product = self.random.choice(self.products)
        quantity = self.random.choice((1, 1, 1, 1, 2, 3))
        return Line(f"{order_id}-{number}", product, quantity, product.price * quantity, "waiting_shipment")

    def _fulfilment(self, sale: Sale) -> Sale:
        """Born shipped, by the marketplace, with hardly an address (reference 2.9)."""
        nobody = Address(country=sale.billing.country)
        shipped = with_lines(sale, lambda line: replace(line, state="shipped"))
        lines = shipped.packages[0].lines
        parcel = Parcel(f"TRK{sale.serial:08d}", "Other", None, sale.ordered_at, tuple(line.id for line in lines))
        return replace(shipped, packages=(Package(lines, nobody, None, (parcel,)),), billing=nobody, fulfilment=True)

    def _relay(self, sale: Sale) -> Sale:
        return replace(sale, packages=tuple(replace(one, relay=relay(self.random)) for one in sale.packages))

    def _business(self, sale: Sale) -> Sale:
        name, vat_number, siret = company(self.random)
        packages = tuple(replace(one, delivery=replace(one.delivery, company=name)) for one in sale.packages)
        billing = replace(sale.billing, company=name, vat_number=vat_number)
        return replace(sale, packages=packages, billing=billing, siret=siret)

    def _multi_line(self, sale: Sale) -> Sale:
        more = range(2, self.random.randint(2, 6) + 1)
        lines = tuple(self._line(sale.id, number) for number in more)
        [package] = sale.packages
        return replace(sale, packages=(replace(package, lines=package.lines + lines),))

    def _multi_package(self, sale: Sale) -> Sale:
        """Two or three packages of one or two lines, to one address."""
        [first] = sale.packages
        packages, number = [first], 2
        for _ in range(self.random.randint(1, 2)):
            size = self.random.randint(1, 2)
            lines = tuple(self._line(sale.id, number + place) for place in range(size))
            packages.append(Package(lines, first.delivery))
            number += size
        return replace(sale, packages=tuple(packages))

    def _foreign_currency(self, sale: Sale) -> Sale:
        return _in_currency(sale, self.random.choice(FOREIGN))

    def _missing_fields(self, sale: Sale) -> Sale:
        return replace(sale, missing=self.random.choice(MISSING))

    def _spanish(self, sale: Sale) -> Sale:
        address = buyer(self.random, sale.serial, "ES")
        [package] = sale.packages
        order_id = PREFIXES["manomano_es"] + sale.id[1:]
        lines = tuple(replace(line, id=order_id + line.id[len(sale.id) :]) for line in package.lines)
        return replace(
            sale, marketplace="manomano_es", id=order_id, packages=(Package(lines, address),), billing=address
        )


def apportion(count: int, kinds: Mapping[str, float]) -> dict[str, int]:
    """How many orders of each kind: as told where the numbers add up to `count`, else by weight."""
    if unknown := set(kinds) - set(_KINDS):
        raise SandboxError(f"no kind of order is called {sorted(unknown)}; there are {sorted(_KINDS)}")
    total = sum(kinds.values())
    if count < 0 or any(weight < 0 for weight in kinds.values()) or (count and not total):
        raise SandboxError(f"cannot sell {count} orders of kinds {dict(kinds)}: counts and weights are above 0")
    shares = {kind: weight * count / total if total else 0.0 for kind, weight in kinds.items()}
    whole = {kind: int(share) for kind, share in shares.items()}
    by_remainder = sorted(shares, key=lambda kind: whole[kind] - shares[kind])
    for kind in by_remainder[: count - sum(whole.values())]:
        whole[kind] += 1
    return whole


def _in_currency(sale: Sale, currency: str) -> Sale:
    factor = rate("EUR", currency) or Decimal(25)
    fee = sale.processing_fee
    priced = with_lines(sale, lambda line: replace(line, amount=cents(line.product.price * factor) * line.quantity))
    return replace(
        priced,
        currency=currency,
        shipping=cents(sale.shipping * factor),
        processing_fee=None if fee is None else cents(fee * factor),
    )


def _in_state(state: str) -> Callable[[Batch, Sale], Sale]:
    return lambda _batch, sale: with_lines(sale, lambda line: replace(line, state=state))


_KINDS: Mapping[str, Callable[[Batch, Sale], Sale]] = {
    "standard": lambda _batch, sale: sale,
    "fulfilment": Batch._fulfilment,
    "pending": _in_state("waiting_acceptance"),
    "relay": Batch._relay,
    "business": Batch._business,
    "multi_line": Batch._multi_line,
    "multi_package": Batch._multi_package,
    "foreign_currency": Batch._foreign_currency,
    "no_rate": lambda _batch, sale: _in_currency(sale, WITHOUT_RATE),
    "missing_fields": Batch._missing_fields,
    "refused": _in_state("refused"),
    "canceled": _in_state("canceled"),
    "late": lambda _batch, sale: sale,
    "anonymized": lambda _batch, sale: anonymous(sale),
    "spanish": Batch._spanish,
}
KINDS = tuple(_KINDS)


def anonymous(sale: Sale) -> Sale:
    """The sale as Lengow keeps it once personal data is erased: no names, no streets."""
    packages = tuple(replace(one, delivery=Address(one.delivery.country)) for one in sale.packages)
    return replace(
        sale,
        packages=packages,
        billing=Address(sale.billing.country),
        customer_id=None,
        comments=None,
        siret=None,
        anonymized=True,
    )
