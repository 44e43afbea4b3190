"""Buyers' data: erased some time after an order's last change, and at a buyer's request; shown at a buyer's request.

Amounts, ids, lines, statuses and the journal stay, without what leads to a person. An order that was erased is known
by `OrderRow.erased_at`; what Lengow sends of it later is kept without its buyer too, so that it is never imported.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from lengow.connector.adapter import KeepsBuyers
from lengow.connector.context import CONNECTOR, Context
from lengow.connector.decode import decode_order, pack_order
from lengow.connector.erasure import ERASED_RECORD, KEPT_DETAILS, without_buyer, without_parcel
from lengow.connector.errors import LengowError, OrderUndecodable, StoreError
from lengow.connector.store.contract import Transaction
from lengow.connector.store.database import RowRefused
from lengow.connector.store.rows import EventRow, OrderKey, RecordRow, Step, StoredOrder
from lengow.connector.works import HoldsBuyers, work_named, works_of

log = logging.getLogger("lengow.connector.privacy")

AT_ONCE = 200
"""Orders a transaction."""

EVERY = timedelta(days=1)

NOT_ERASED = "not_erased"
"""Where those of an account are kept that could not be erased at the last try, by order, with the reason."""

STILL_TO_BE_SHIPPED = timedelta(days=365)
"""How much longer the buyer of an order is kept that Lengow gives as to be shipped: goods may be on order for months."""

TO_BE_SHIPPED = frozenset({"waiting_acceptance", "waiting_shipment"})


class Erasure(msgspec.Struct, frozen=True):
    """What becomes of one order of a buyer who asks for erasure."""

    order: OrderKey
    erased: bool
    why: str = ""
    """Why not: it is still being worked on, or could not be erased."""


def erase_old(context: Context, step: Step) -> int:
    """Erase what is older than `store.keep_personal_data_days`; returns how many orders. Due again in a day, or at
    once where it was broken off.

    An order that cannot be erased keeps none of the others: it is told of, and tried again the next day.
    """
    days, erased = context.settings.store.keep_personal_data_days, 0
    failed: dict[OrderKey, str] = {}
    ended = not days
    if days:
        before, last = context.now() - timedelta(days=days), 0
        while not context.stopping.is_set():
            some = context.store.orders_to_erase(
                before, unshipped_before=before - STILL_TO_BE_SHIPPED, after_id=last, limit=AT_ONCE
            )
            if not some:
                ended = True
                break
            last = some[-1]
            step = _renewed(context, step)
            failures = _erase(context, some, f"{days:g} days after its last change")
            erased += len(some) - len(failures)
            failed |= failures
        _erase_events(
            context, lambda last: context.store.events_with_parcels(before=before, after_id=last, limit=AT_ONCE)
        )
    _tell_failed(context, failed, all_of_them=ended)
    with context.store.transaction() as tx:
        told = f"not_erased: {len(failed)} {'order' if len(failed) == 1 else 'orders'}" if failed else ""
        tx.postpone(step, context.now() + (EVERY if ended else timedelta(0)), told, restart=True)
    if erased:
        log.info("personal data erased", extra={"orders": erased})
    return erased


def not_erased(context: Context, account: str) -> dict[str, str]:
    """The account's orders whose time is over and that could not be erased at the last try, and why."""
    kept = context.store.get_value(account, NOT_ERASED)
    return msgspec.json.decode(kept, type=dict[str, str]) if kept else {}


def erase_buyer(context: Context, email: str, *, who: str, dry_run: bool = False) -> list[Erasure]:
    """Erase what is held on the buyer with this e-mail address, except of orders that are still to be delivered."""
    orders = context.store.orders(context.store.orders_of_buyer(email))
    working = context.store.orders_under_way(list(orders))
    plan = [_planned(one, order_id in working) for order_id, one in orders.items()]
    if dry_run:
        return plan
    chosen = [order_id for order_id, one in zip(orders, plan, strict=True) if one.erased]
    failed: dict[OrderKey, str] = {}
    for start in range(0, len(chosen), AT_ONCE):
        failed |= _erase(context, chosen[start : start + AT_ONCE], "asked for", who=who)
    for stored in (orders[order_id] for order_id in chosen):
        if stored.order.key not in failed:
            _erase_events_of(context, stored)
    return [Erasure(one.order, False, failed[one.order]) if one.order in failed else one for one in plan]


def export_buyer(context: Context, email: str) -> dict[str, Any]:
    """Everything that is held on the buyer with this e-mail address, in what JSON can say."""
    store = context.store
    order_ids = store.orders_of_buyer(email)
    orders, records, changes = store.orders(order_ids), store.records(order_ids), store.changes_of(order_ids)
    return {
        "email": email,
        "at": context.now().isoformat(),
        "orders": [
            {
                "order": _plain(one.order),
                "packages": _plain(one.packages),
                "record": _json(records[order_id].unreadable or records[order_id].raw) if order_id in records else None,
                "actions": _plain(store.actions_of(order_id)),
                "changes": _plain(changes[order_id]),
                "events": _plain(list(_events_of(context, one))),
                "journal": _plain(store.journal(order_id)),
                "in_shop": _in_shop(context, one),
            }
            for order_id, one in orders.items()
        ],
        **{name: list(one.export_buyers(context, order_ids)) for name, one in _holders(context).items()},
    }


def _planned(one: StoredOrder, under_way: bool) -> Erasure:
    if under_way:
        return Erasure(one.order.key, False, "it is still being worked on")
    if one.order.status in TO_BE_SHIPPED:
        return Erasure(one.order.key, False, f"it is still to be delivered ({one.order.status})")
    return Erasure(one.order.key, True)


def _erase(context: Context, order_ids: Sequence[int], why: str, *, who: str = CONNECTOR) -> dict[OrderKey, str]:
    """Erase these together, or one by one where one of them fails; returns those that failed, and why.

    Raises StoreError where no order would fare better.
    """
    try:
        _erase_together(context, order_ids, why, who=who)
        return {}
    except Exception as error:
        if isinstance(error, StoreError) and not isinstance(error, RowRefused):
            raise
        if len(order_ids) == 1:
            return {_failed(context, order_ids[0]): f"{_code(error)}: {error}"}
    failed: dict[OrderKey, str] = {}
    for order_id in order_ids:
        failed |= _erase(context, [order_id], why, who=who)
    return failed


def _failed(context: Context, order_id: int) -> OrderKey:
    key = context.store.orders([order_id])[order_id].order.key
    log.exception("personal data not erased", extra={"order": str(key)})
    return key


def _code(error: Exception) -> str:
    return error.code if isinstance(error, LengowError) else type(error).__name__


def _tell_failed(context: Context, failed: Mapping[OrderKey, str], *, all_of_them: bool) -> None:
    """Keep what failed for doctor and digest, note what is new of it, and signal all of it.

    Unless these are `all_of_them`, what failed before counts as failed still.
    """
    for account in context.settings.accounts:
        before = not_erased(context, account)
        now = {str(key): why for key, why in failed.items() if key.account == account}
        if not all_of_them:
            now = before | now
        new = [key for key, why in failed.items() if key.account == account and before.get(str(key)) != why]
        with context.store.transaction() as tx:
            names = [(key.marketplace, key.marketplace_order_id) for key in new]
            for stored in tx.orders_named(account, names).values():
                tx.note([context.entry(stored.order.id, "erase_failed", failed[stored.order.key])])
            if now != before:
                tx.set_value(account, NOT_ERASED, msgspec.json.encode(now).decode())
    for key, why in failed.items():
        context.tell(context.signals.erasure_failed, order=key, about=why)


def _erase_together(context: Context, order_ids: Sequence[int], why: str, *, who: str) -> None:
    """First where the shop keeps it, then here, so that a crash in between leaves it to be done again."""
    for stored in context.store.orders(order_ids).values():
        for shop, references in _references(stored).items():
            keeper = context.adapter(shop) if shop in context.settings.shops else None
            if isinstance(keeper, KeepsBuyers):
                keeper.erase_buyers(references)
    for holder in _holders(context).values():
        holder.erase_buyers(context, order_ids)
    with context.store.transaction() as tx:
        orders, records = tx.orders(order_ids), tx.records(order_ids)
        tx.save_records([_without_buyer(record) for record in records.values()])
        for order_id, one in orders.items():
            actions = tx.actions_of(order_id)
            parcels = [row.arguments[name] for row in actions for name in ("tracking_number",) if name in row.arguments]
            for row in actions:
                left = msgspec.json.encode(without_parcel(dict(row.arguments))).decode()
                tx.set_arguments(row.id, left)
            tx.erase_order(one.order, context.now(), parcels=parcels, kept_details=KEPT_DETAILS)
        tx.note(context.entry(order_id, "erased", why, who=who) for order_id in orders)


def _without_buyer(record: RecordRow) -> RecordRow:
    raw = without_buyer(record.raw)
    try:
        decoded = pack_order(decode_order(raw))
    except OrderUndecodable:
        raw, decoded = ERASED_RECORD, b""
    return RecordRow(record.order_id, raw, decoded, None if record.unreadable is None else ERASED_RECORD)


def _erase_events(context: Context, page: Any) -> None:
    last = 0
    while rows := page(last):
        last = rows[-1].id
        with context.store.transaction() as tx:
            for row in rows:
                _erase_event(tx, row)


def _erase_events_of(context: Context, stored: StoredOrder) -> None:
    rows = list(_events_of(context, stored))
    with context.store.transaction() as tx:
        for row in rows:
            _erase_event(tx, row)


def _erase_event(tx: Transaction, row: EventRow) -> None:
    left = {name: value for name, value in row.body.items() if name != "tracking"}
    tx.set_event_body(row.id, msgspec.json.encode(left).decode())


def _events_of(context: Context, stored: StoredOrder) -> Iterator[EventRow]:
    """Those that tell of a parcel."""
    mine = {
        (package.shop, name): True
        for package in stored.packages
        for name in (package.shop_order_id, package.reference)
        if name
    }
    for shop in {shop for shop, _ in mine}:
        last = 0
        while rows := context.store.events_with_parcels(shop=shop, after_id=last, limit=AT_ONCE):
            last = rows[-1].id
            for row in rows:
                if (shop, row.body.get("shop_order_id")) in mine or (shop, row.body.get("reference")) in mine:
                    yield row


def _in_shop(context: Context, stored: StoredOrder) -> list[dict[str, Any]]:
    """What the shop keeps, where that is beside us; of other shops, only they can tell."""
    found: list[dict[str, Any]] = []
    for shop, references in _references(stored).items():
        keeper = context.adapter(shop) if shop in context.settings.shops else None
        if isinstance(keeper, KeepsBuyers):
            found += [{"shop": shop, **one} for one in keeper.export_buyers(references)]
    return found


def _holders(context: Context) -> dict[str, HoldsBuyers]:
    """Other packages that keep something of buyers, such as invoices."""
    works = {name: work_named(name) for name in works_of(context.settings)}
    return {name: work for name, work in works.items() if isinstance(work, HoldsBuyers)}


def _references(stored: StoredOrder) -> dict[str, list[str]]:
    """By shop, of the packages that may be there."""
    found: dict[str, list[str]] = {}
    for package in stored.packages:
        if package.begun:
            found.setdefault(package.shop, []).append(package.reference)
    return found


def _renewed(context: Context, step: Step) -> Step:
    with context.store.transaction() as tx:
        return tx.renew(step, context.lease_end())


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw.decode("utf-8", "replace")


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
