"""What `POST orders` and `POST order_histories` really do: `PaymentModule::validateOrder` and `OrderHistory`.

FINDINGS, Order creation, Doubles and half-made orders, States; platforms.md §2.3 for the stock rules.
"""

import random
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from lengow.sandbox.shops.prestashop.data import NEVER, Data, Mail, Row, amount
from lengow.sandbox.shops.prestashop.errors import CART_USED, Fatal
from lengow.sandbox.shops.standin import Killed

CENT = Decimal("0.01")
MICRO = Decimal("0.000001")
HANDLING_TAX = Decimal("1.20")
ITEM, LINE = "1", "2"
"""PS_ROUND_TYPE; any other rounds the total only."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A cart row with its price."""

    product: str
    combination: str
    quantity: int
    name: str
    reference: str
    ean13: str
    tax_group: str
    net: Decimal
    """Of one, tax excluded."""
    gross: Decimal
    total_net: Decimal
    total_gross: Decimal


class Ordering:
    """`killed_at` of its methods names where the worker dies: `before`, `order`, `detail`, `payment` or `history`."""

    def __init__(self, data: Data, pause: Callable[[], None]) -> None:
        self._data, self._pause = data, pause
        self._killed_at = ""

    def check_cart(self, sent: Row) -> None:
        """Raises Fatal for a module that cannot pay or a cart that is used: a look, not a lock (capture 205)."""
        module = str(sent["module"])
        if module not in self._data.modules:
            raise Fatal
        if not self._data.modules[module]:
            raise Fatal(b"Fatal error")
        cart = self._data.get("carts", sent["id_cart"])
        if cart is None or any(self._data.rows("orders", id_cart=sent["id_cart"])):
            raise Fatal(CART_USED)

    def place(self, sent: Row, killed_at: str) -> Row:
        """Makes the cart's orders, one for each carrier that its products need, and returns the last."""
        cart = self._data.get("carts", sent["id_cart"])
        assert cart is not None
        lines = self._priced(cart)
        packages = self._packages(cart, lines)
        shipping = [self._shipping(carrier) for carrier, _ in packages]
        total = self._goods(lines) + sum(shipping, Decimal(0))
        self._pause()
        self._killed_at = killed_at
        self._reach("before")
        paid = Decimal(str(sent["total_paid"]))
        matches = paid.quantize(CENT, ROUND_HALF_UP) == total
        state = self._data.setting("PS_OS_WS_PAYMENT" if matches else "PS_OS_ERROR")
        reference = "".join(random.choices(string.ascii_uppercase, k=9))
        made: list[Row] = []
        for (carrier, own), cost in zip(packages, shipping, strict=True):
            row = self._order_row(cart, sent, reference, carrier, own, cost)
            made.append(row)
            self._drop_specific_prices(str(cart["id"]))
            self._reach("order")
            self._add_details(row, own, takes_stock=matches)
            self._add_carrier(row, carrier, cost)
        last = made[-1]
        self._reach("payment")
        if matches:
            self._add_payment(last, paid)
        last["total_paid_real"] = amount(paid)
        for row in made:
            self._enter(row, state, pay=False)
            self._reach("history")
            self._add_history(row, state)
        self._mail_placed(last, matches=matches)
        return last

    def move(self, order: Row, state: str, *, mail: bool) -> Row:
        """Another state; the same once more is taken too (capture 099)."""
        self._move_stock(order, state)
        self._enter(order, state, pay=True)
        history = self._add_history(order, state)
        row = self._state(state)
        if mail and row["send_email"] == "1":
            self._mail(order, str(row["name"]))
        return history

    # Prices

    def _priced(self, cart: Row) -> list[Priced]:
        rows = self._data.associated.get(("carts", int(cart["id"] or 0)), [])
        lines = [self._price(cart, row) for row in rows]
        if not lines:
            raise Fatal
        return lines

    def _price(self, cart: Row, row: dict[str, str]) -> Priced:
        product = self._data.get("products", row["id_product"])
        if product is None:
            raise Fatal
        combination = self._data.get("combinations", row["id_product_attribute"])
        where = self._data.get("addresses", cart[self._data.setting("PS_TAX_ADDRESS_TYPE")])
        rate = self._data.tax_rate(product["id_tax_rules_group"], where["id_country"] if where else "0")
        net = self._net(cart, row, product, combination)
        gross = (net * (1 + rate / 100)).quantize(MICRO, ROUND_HALF_UP)
        quantity = int(row["quantity"])
        each = (_cents(net), _cents(gross)) if self._rounds(ITEM) else (net, gross)
        totals = [one * quantity for one in each]
        if self._rounds(LINE):
            totals = [_cents(one) for one in totals]
        reference = (combination and combination["reference"]) or product["reference"]
        return Priced(
            product=row["id_product"],
            combination=row["id_product_attribute"],
            quantity=quantity,
            name=str(product["name"]),
            reference=str(reference),
            ean13=str((combination or product)["ean13"] or ""),
            tax_group=str(product["id_tax_rules_group"]),
            net=net,
            gross=gross,
            total_net=totals[0],
            total_gross=totals[1],
        )

    def _net(self, cart: Row, row: dict[str, str], product: Row, combination: Row | None) -> Decimal:
        """The cart's own price beats the catalogue (FINDINGS, Same total as an outside price)."""
        own = self._data.rows(
            "specific_prices",
            id_cart=cart["id"],
            id_product=row["id_product"],
            id_product_attribute=row["id_product_attribute"],
        )
        for price in own:
            return Decimal(str(price["price"]))
        return Decimal(str(product["price"])) + Decimal(str((combination and combination["price"]) or 0))

    def _goods(self, lines: Iterable[Priced]) -> Decimal:
        return _cents(sum((line.total_gross for line in lines), Decimal(0)))

    def _rounds(self, kind: str) -> bool:
        return self._data.setting("PS_ROUND_TYPE") == kind

    # Carriers

    def _packages(self, cart: Row, lines: list[Priced]) -> list[tuple[Row, list[Priced]]]:
        """The lines by carrier: products tied to different ones are ordered apart (captures 253 to 255)."""
        groups: dict[tuple[int, ...], list[Priced]] = {}
        for line in lines:
            groups.setdefault(self._data.tied.get(int(line.product), ()), []).append(line)
        return [(self._carrier(cart, only), own) for only, own in groups.items()]

    def _carrier(self, cart: Row, only: tuple[int, ...]) -> Row:
        """The chosen one, or in silence another when it is not active or does not serve the zone (captures 187, 189)."""
        address = self._data.get("addresses", cart["id_address_delivery"])
        country = self._data.get("countries", address["id_country"] if address else "0")
        zone = int((country and country["id_zone"]) or 0)
        usable = [
            row
            for id_, row in self._data.tables["carriers"].items()
            if row["active"] == "1"
            and row["deleted"] == "0"
            and zone in self._data.zones.get(id_, frozenset())
            and (not only or id_ in only)
        ]
        if not usable:
            raise Fatal
        chosen = _option(str(cart["delivery_option"] or ""), str(cart["id_address_delivery"]))
        return next((row for row in usable if row["id"] == chosen), min(usable, key=_cost))

    def _shipping(self, carrier: Row) -> Decimal:
        return _cents(_cost(carrier) * HANDLING_TAX)

    # Rows

    def _order_row(self, cart: Row, sent: Row, reference: str, carrier: Row, lines: list[Priced], cost: Decimal) -> Row:
        gross, net = self._goods(lines), _cents(sum((line.total_net for line in lines), Decimal(0)))
        cost_net = _cents(cost / HANDLING_TAX)
        now = self._data.local_now()
        customer = self._data.get("customers", cart["id_customer"])
        return self._data.insert(
            "orders",
            {
                **{name: cart[name] for name in COPIED},
                "id_cart": cart["id"],
                "id_carrier": carrier["id"],
                "current_state": "0",
                "module": sent["module"],
                "payment": sent["payment"],
                "invoice_number": "0",
                "invoice_date": NEVER,
                "delivery_number": "0",
                "delivery_date": NEVER,
                "valid": "0",
                "date_add": now,
                "date_upd": now,
                "note": None,
                "id_shop": "1",
                "id_shop_group": "1",
                "secure_key": customer["secure_key"] if customer else "",
                "recyclable": "0",
                "gift": "0",
                "mobile_theme": "0",
                **dict.fromkeys(ZERO, amount(Decimal(0))),
                "total_paid": amount(gross + cost),
                "total_paid_tax_incl": amount(gross + cost),
                "total_paid_tax_excl": amount(net + cost_net),
                "total_products": amount(net),
                "total_products_wt": amount(gross),
                "total_shipping": amount(cost),
                "total_shipping_tax_incl": amount(cost),
                "total_shipping_tax_excl": amount(cost_net),
                "carrier_tax_rate": "20.000",
                "round_mode": self._data.setting("PS_PRICE_ROUND_MODE"),
                "round_type": self._data.setting("PS_ROUND_TYPE"),
                "conversion_rate": "1.000000",
                "reference": reference,
            },
        )

    def _add_details(self, order: Row, lines: list[Priced], *, takes_stock: bool) -> None:
        """The stock goes before the row is written (FINDINGS: fails at order_detail, stock taken, no rows)."""
        for line in lines:
            if takes_stock:
                self._data.move_stock(line.product, line.combination, -line.quantity)
                key = int(line.product)
                self._data.reserved[key] = self._data.reserved.get(key, 0) + line.quantity
            self._reach("detail")
            self._data.insert(
                "order_details",
                {
                    "id_order": order["id"],
                    "product_id": line.product,
                    "product_attribute_id": line.combination,
                    "product_name": line.name,
                    "product_quantity": str(line.quantity),
                    "product_price": amount(line.net),
                    "product_reference": line.reference,
                    "product_ean13": line.ean13,
                    "id_tax_rules_group": line.tax_group,
                    "unit_price_tax_incl": amount(line.gross),
                    "unit_price_tax_excl": amount(line.net),
                    "total_price_tax_incl": amount(line.total_gross),
                    "total_price_tax_excl": amount(line.total_net),
                },
            )

    def _add_carrier(self, order: Row, carrier: Row, cost: Decimal) -> None:
        self._data.insert(
            "order_carriers",
            {
                "id_order": order["id"],
                "id_carrier": carrier["id"],
                "id_order_invoice": "0",
                "weight": "0.000000",
                "shipping_cost_tax_incl": amount(cost),
                "shipping_cost_tax_excl": amount(cost / HANDLING_TAX),
                "tracking_number": "",
                "date_add": self._data.local_now(),
            },
        )

    def _add_payment(self, order: Row, paid: Decimal) -> None:
        self._data.insert(
            "order_payments",
            {
                "order_reference": order["reference"],
                "id_currency": order["id_currency"],
                "amount": amount(paid),
                "payment_method": order["payment"],
                "conversion_rate": "1.000000",
                "transaction_id": "",
                "date_add": self._data.local_now(),
            },
        )

    def _add_history(self, order: Row, state: str) -> Row:
        return self._data.insert(
            "order_histories",
            {
                "id_employee": "0",
                "id_order": order["id"],
                "id_order_state": state,
                "date_add": self._data.local_now(),
            },
        )

    def _enter(self, order: Row, state: str, *, pay: bool) -> None:
        row = self._state(state)
        now = self._data.local_now()
        order["current_state"], order["valid"], order["date_upd"] = state, row["logable"], now
        if row["invoice"] == "1" and order["invoice_number"] == "0":
            numbers = [int(one["invoice_number"] or 0) for one in self._data.rows("orders")]
            order["invoice_number"], order["invoice_date"] = str(max(numbers) + 1), now
        if row["delivery"] == "1" and order["delivery_number"] == "0":
            numbers = [int(one["delivery_number"] or 0) for one in self._data.rows("orders")]
            order["delivery_number"], order["delivery_date"] = str(max(numbers) + 1), now
        if pay and row["paid"] == "1":
            self._pay_rest(order)

    def _pay_rest(self, order: Row) -> None:
        """A paid state books what no payment has paid yet (captures 293 to 295)."""
        payments = self._data.rows("order_payments", order_reference=order["reference"])
        if not any(payments) and Decimal(str(order["total_paid"])):
            self._add_payment(order, Decimal(str(order["total_paid"])))
            order["total_paid_real"] = amount(
                Decimal(str(order["total_paid_real"])) + Decimal(str(order["total_paid"]))
            )

    def _move_stock(self, order: Row, state: str) -> None:
        """`OrderHistory::changeIdOrderState`: an order without a state gives nothing back."""
        if order["current_state"] == "0":
            return
        without = (self._data.setting("PS_OS_ERROR"), self._data.setting("PS_OS_CANCELED"))
        old, new = self._state(str(order["current_state"])), self._state(state)
        sold, sells = old["logable"] == "1", new["logable"] == "1"
        sign = 0
        if sells and not sold and old["id"] in without:
            sign = -1
        elif not sells and new["id"] in without and (sold or old["id"] not in without):
            sign = 1
        for line in self._data.rows("order_details", id_order=order["id"]) if sign else ():
            pieces = sign * int(line["product_quantity"] or 0)
            self._data.move_stock(line["product_id"], line["product_attribute_id"], pieces)

    def _state(self, state: str) -> Row:
        row = self._data.get("order_states", state)
        if row is None:
            raise Fatal
        return row

    def _drop_specific_prices(self, cart: str) -> None:
        """As soon as an order is stored (`Order::add`, platforms.md §2.3)."""
        for row in list(self._data.rows("specific_prices", id_cart=cart)):
            del self._data.tables["specific_prices"][int(row["id"] or 0)]

    def _mail_placed(self, order: Row, *, matches: bool) -> None:
        """Two mails to the buyer, or one of the payment error; nothing stops the confirmation (FINDINGS, Mails)."""
        state = self._state(str(order["current_state"]))
        if state["send_email"] == "1":
            self._mail(order, str(state["name"]))
        if matches:
            self._mail(order, "Order confirmation")

    def _mail(self, order: Row, subject: str) -> None:
        customer = self._data.get("customers", order["id_customer"])
        if self._data.setting("PS_MAIL_METHOD") != "3" and customer is not None:
            self._data.mails.append(Mail(str(customer["email"]), subject, int(order["id"] or 0)))

    def _reach(self, stage: str) -> None:
        if stage == self._killed_at:
            raise Killed


COPIED = ("id_address_delivery", "id_address_invoice", "id_currency", "id_lang", "id_customer")
ZERO = (
    "total_discounts",
    "total_discounts_tax_incl",
    "total_discounts_tax_excl",
    "total_paid_real",
    "total_wrapping",
    "total_wrapping_tax_incl",
    "total_wrapping_tax_excl",
)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def _cost(carrier: Row) -> Decimal:
    """Tax excluded; what a carrier costs is kept in `shipping_handling` here."""
    return Decimal(0) if carrier["is_free"] == "1" else Decimal(str(carrier["shipping_handling"] or 0))


def _option(text: str, address: str) -> str:
    """The carrier in `{"7": "1,"}`; the comma must be there (platforms.md §2.3)."""
    try:
        value = msgspec.json.decode(text or "{}", type=dict[str, str]).get(address, "")
    except msgspec.DecodeError:
        return ""
    return value.removesuffix(",") if value.endswith(",") else ""
