"""Creating orders, one at a time: customer, addresses, cart, prices, order, and then what `finishing` does.

The order's own customer comes first, and the shop takes his e-mail address only once: so a second attempt learns that
there was a first, and looks before it orders anything.
"""

import logging
import threading
from collections.abc import Sequence

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import TOO_LATE, Busy, Deadline, Lost, not_begun
from lengow.adapters.outcomes import Problem
from lengow.adapters.prestashop.api import Died, Refusal, Webservice, id_of, text
from lengow.adapters.prestashop.composing import Draft, compose
from lengow.adapters.prestashop.finding import Finder
from lengow.adapters.prestashop.finishing import Finisher, NotAsSold
from lengow.adapters.prestashop.plan import Plan, customer_note
from lengow.adapters.prestashop.products import Products
from lengow.adapters.prestashop.profile import Profile, Profiles
from lengow.adapters.prestashop.refusals import DEATHS, SILENT_DEATH, rejected
from lengow.adapters.prestashop.settings import PrestaShopSettings
from lengow.adapters.prestashop.xml import Association
from lengow.connector.adapter import Created, Outcome, Rejected, ShopOrder, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder

log = logging.getLogger("lengow.adapters.prestashop")

EMAIL_TAKEN = 140
NO_DATE = "0000-00-00 00:00:00"
FAILURES = (Refusal, Busy, Lost, ShopUnavailable)


class Customer(msgspec.Struct, frozen=True):
    """The order's own."""

    id: str
    secure_key: str
    shop: str
    """The shop of a multistore that the webservice put him into."""
    shop_group: str


class Cart(msgspec.Struct, frozen=True):
    id: str
    delivery: str
    """The id of its delivery address."""
    invoice: str


class _Mispriced(Exception):
    """The shop's prices came out otherwise than told by what is known of it, which may be old."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.reason)
        self.rejected = rejected


class Creator:
    def __init__(
        self,
        shop: Webservice,
        settings: PrestaShopSettings,
        profiles: Profiles,
        products: Products,
        finder: Finder,
        finisher: Finisher,
    ) -> None:
        self._shop, self._settings, self._profiles = shop, settings, profiles
        self._products, self._finder, self._finisher = products, finder, finisher
        self._one_at_a_time = threading.Lock()

    def create(self, orders: Sequence[NewOrder], deadline: Deadline) -> list[Outcome]:
        """One outcome an order. Raises ShopUnavailable when none was sent."""
        found: dict[str, Outcome] = {}
        down: ShopUnavailable | None = None
        for order in {order.reference: order for order in orders}.values():
            try:
                if down is None:
                    found[order.reference] = self._alone(order, deadline)
            except ShopUnavailable as error:
                if not found:
                    raise
                down = error
            if down is not None:
                found[order.reference] = not_begun(order.reference, f"It was not begun: {down}", down.retry_after)
        return [found[order.reference] for order in orders]

    def _alone(self, order: NewOrder, deadline: Deadline) -> Outcome:
        """Three posts at once made three orders of one cart, and four at once lost a piece of stock (FINDINGS)."""
        if not self._one_at_a_time.acquire(timeout=max(deadline.left, 0)):
            raise ShopUnavailable("The shop is busy with another order.")
        try:
            return self._with_second_try(order, deadline)
        finally:
            self._one_at_a_time.release()

    def _with_second_try(self, order: NewOrder, deadline: Deadline) -> Outcome:
        try:
            return self._attempt(order, deadline)
        except _Mispriced:
            self._profiles.forget()
        try:
            return self._attempt(order, deadline)
        except _Mispriced as again:
            return again.rejected

    def _attempt(self, order: NewOrder, deadline: Deadline) -> Outcome:
        if deadline.late:
            return not_begun(order.reference, TOO_LATE)
        try:
            profile = self._profiles.get(deadline)
            products = self._products.find([line.sku for line in order.lines], deadline)
            draft = compose(order, products, profile, self._settings)
            customer = self._customer(draft, deadline)
        except Problem as problem:
            return problem.outcome(order.reference)
        except Refusal as refusal:
            return rejected(order.reference, refusal)
        except (Busy, Lost) as error:
            return _not_sent(order.reference, error)
        if isinstance(customer, ShopOrder):
            return Created(order.reference, customer)
        return self._order(draft, customer, profile, deadline)

    def _customer(self, draft: Draft, deadline: Deadline) -> Customer | ShopOrder:
        """The order's own customer; the order itself, where an earlier attempt got that far."""
        fields = {**draft.customer, "note": customer_note(draft.plan)}
        try:
            made = self._shop.post("customers", fields, deadline)
        except Refusal as refusal:
            if refusal.code != EMAIL_TAKEN:
                raise
            return self._known_customer(draft, refusal, deadline)
        return _customer(made)

    def _known_customer(self, draft: Draft, refusal: Refusal, deadline: Deadline) -> Customer | ShopOrder:
        reference = draft.plan.reference
        known = self._finder.customer(reference, deadline)
        if known is None:
            raise refusal
        held = self._finder.settled(reference, known, deadline)
        if held is not None:
            return held
        self._shop.patch("customers", known.id, {"note": customer_note(draft.plan)}, deadline)
        self._sweep(known.id, deadline)
        return _customer(known.row)

    def _order(self, draft: Draft, customer: Customer, profile: Profile, deadline: Deadline) -> Outcome:
        reference = draft.plan.reference
        try:
            cart = self._cart(draft, customer, deadline)
            self._set_prices(draft, cart, deadline)
        except Refusal as refusal:
            self._release(draft.plan, customer, deadline)
            return rejected(reference, refusal)
        except (Busy, Lost) as error:
            self._release(draft.plan, customer, deadline)
            return _not_sent(reference, error)
        if deadline.late:
            self._release(draft.plan, customer, deadline)
            return Rejected(reference, "The shop was too slow to send the order in time.", retry=True)
        return self._post(draft, customer, cart, profile, deadline)

    def _cart(self, draft: Draft, customer: Customer, deadline: Deadline) -> Cart:
        delivery = self._address(draft.delivery, customer, deadline)
        invoice = self._address(draft.invoice, customer, deadline) if draft.invoice is not None else delivery
        rows = [
            {
                "id_product": price.product,
                "id_product_attribute": price.combination,
                "id_address_delivery": delivery,
                "quantity": price.quantity,
            }
            for price in draft.prices
        ]
        fields = {
            "id_currency": draft.currency,
            "id_lang": draft.language,
            "id_customer": customer.id,
            "id_address_delivery": delivery,
            "id_address_invoice": invoice,
            "id_carrier": draft.plan.carrier,
            "id_shop": customer.shop,
            "id_shop_group": customer.shop_group,
            "secure_key": customer.secure_key,
            "delivery_option": f'{{"{delivery}": "{draft.plan.carrier},"}}',
        }
        made = self._shop.post("carts", fields, deadline, Association("cart_rows", "cart_row", rows))
        return Cart(id_of(made), delivery, invoice)

    def _address(self, fields: dict[str, str], customer: Customer, deadline: Deadline) -> str:
        return text(self._shop.post("addresses", {"id_customer": customer.id, **fields}, deadline), "id")

    def _set_prices(self, draft: Draft, cart: Cart, deadline: Deadline) -> None:
        """Prices of this cart only, before any reduction; the shop removes them once the order is made."""
        for price in draft.prices:
            fields = {
                "id_cart": cart.id,
                "id_product": price.product,
                "id_product_attribute": price.combination,
                **dict.fromkeys(
                    ("id_shop", "id_shop_group", "id_currency", "id_country", "id_group", "id_customer"), 0
                ),
                "price": f"{price.net:f}",
                "from_quantity": 1,
                "reduction": 0,
                "reduction_tax": 1,
                "reduction_type": "amount",
                "from": NO_DATE,
                "to": NO_DATE,
            }
            self._shop.post("specific_prices", fields, deadline)

    def _post(self, draft: Draft, customer: Customer, cart: Cart, profile: Profile, deadline: Deadline) -> Outcome:
        plan, reference = draft.plan, draft.plan.reference
        try:
            made = self._shop.post("orders", self._order_fields(draft, customer, cart), deadline)
        except Refusal as refusal:
            if refusal.field == "id_cart":
                return Unknown(reference, f"{refusal}.")
            self._release(plan, customer, deadline)
            return rejected(reference, refusal)
        except Busy as busy:
            self._release(plan, customer, deadline)
            return busy.outcome(reference)
        except Died as died:
            return self._after_death(plan, customer, cart, died, deadline)
        except Lost as lost:
            return lost.outcome(reference)
        order_id = id_of(made)
        try:
            self._finisher.finish(order_id, cart.id, plan, profile, deadline, (cart.delivery, cart.invoice))
        except NotAsSold as problem:
            return self._not_as_sold(plan, customer, cart, profile, problem, deadline)
        except FAILURES as error:
            return Unknown(reference, f"The order {order_id} was made and could not be completed: {error}.")
        return Created(reference, ShopOrder(order_id, reference))

    def _order_fields(self, draft: Draft, customer: Customer, cart: Cart) -> dict[str, object]:
        """PrestaShop takes lines and prices from the cart; the total must be what it makes of them."""
        goods = draft.plan.goods
        return {
            "id_address_delivery": cart.delivery,
            "id_address_invoice": cart.invoice,
            "id_cart": cart.id,
            "id_currency": draft.currency,
            "id_lang": draft.language,
            "id_customer": customer.id,
            "id_carrier": draft.plan.carrier,
            "module": self._settings.payment_module,
            "payment": draft.plan.payment,
            "secure_key": customer.secure_key,
            "conversion_rate": 1,
            "total_paid": goods,
            "total_paid_real": goods,
            "total_products": goods,
            "total_products_wt": goods,
            "total_paid_tax_incl": goods,
            "total_paid_tax_excl": goods,
            "total_shipping": 0,
        }

    def _after_death(self, plan: Plan, customer: Customer, cart: Cart, died: Died, deadline: Deadline) -> Outcome:
        """PHP is not at work any more: where it has made no order, there will be none (FINDINGS, PHP-level failures)."""
        try:
            held = self._shop.rows("orders", deadline, "[id]", id_cart=cart.id)
        except FAILURES as error:
            return Unknown(plan.reference, f"{died}; and then: {error}.")
        if held:
            return Unknown(plan.reference, f"{died}.")
        self._products.forget()  # one that was deleted meanwhile is a death of PHP too (capture 152)
        self._release(plan, customer, deadline)
        remedy = DEATHS.get(died.words, SILENT_DEATH)
        return Rejected(plan.reference, f"{died}. {remedy.what_to_do}", retry=remedy.retry, field=remedy.field)

    def _not_as_sold(
        self, plan: Plan, customer: Customer, cart: Cart, profile: Profile, problem: NotAsSold, deadline: Deadline
    ) -> Rejected | Unknown:
        """Raises _Mispriced where the prices are what differs."""
        found = problem.found
        try:
            ids = self._finisher.set_cart_aside(cart.id, plan, profile, f"{found.sentence}.", deadline)
        except FAILURES as error:
            return Unknown(plan.reference, f"{found.sentence}, and the order could not be cancelled: {error}.")
        self._products.forget()
        self._release(plan, customer, deadline)
        reason = (
            f"{found.sentence}; the order {', '.join(ids)} is cancelled in the shop. {found.what_to_do}, then retry the "
            "order."
        )
        refused = Rejected(plan.reference, reason, field=found.field)
        if found.field == "total":
            raise _Mispriced(refused)
        return refused

    def _release(self, plan: Plan, customer: Customer, deadline: Deadline) -> None:
        """Take away what was made for an order that was not sent, and say that another attempt may begin at once.

        What cannot be taken away now is found again by the next attempt, which waits until it is surely nobody's.
        """
        released = msgspec.structs.replace(plan, released=True)
        try:
            self._sweep(customer.id, deadline)
            self._shop.patch("customers", customer.id, {"note": customer_note(released)}, deadline)
        except FAILURES as error:
            log.warning("left in the shop for the next attempt", extra={"customer": customer.id, "error": str(error)})

    def _sweep(self, customer: str, deadline: Deadline) -> None:
        """Delete the customer's carts and addresses that no order has."""
        used_carts, used_addresses = set(), set()
        for row in self._shop.rows("orders", deadline, USED_FIELDS, id_customer=customer):
            used_carts.add(text(row, "id_cart"))
            used_addresses |= {text(row, "id_address_delivery"), text(row, "id_address_invoice")}
        for row in self._shop.rows("carts", deadline, "[id]", id_customer=customer):
            if id_of(row) not in used_carts:
                for price in self._shop.rows("specific_prices", deadline, "[id]", id_cart=id_of(row)):
                    self._shop.delete("specific_prices", id_of(price), deadline)
                self._shop.delete("carts", id_of(row), deadline)
        for row in self._shop.rows("addresses", deadline, "[id]", id_customer=customer):
            if id_of(row) not in used_addresses:
                self._shop.delete("addresses", id_of(row), deadline)


def _customer(row: Entry) -> Customer:
    ids = (text(row, name) or "1" for name in ("id_shop", "id_shop_group"))
    return Customer(id_of(row), text(row, "secure_key"), *ids)


USED_FIELDS = "[id_cart,id_address_delivery,id_address_invoice]"


def _not_sent(reference: str, error: Busy | Lost) -> Rejected:
    """What the order needs before it was not there yet."""
    reason = f"No order was sent: {error}."
    return Rejected(reference, reason, retry=True, retry_after=error.retry_after, begun=isinstance(error, Lost))
