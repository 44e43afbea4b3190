"""What a store must do. Two promises carry everything: a transaction is all or nothing and durable when it returns,
and of two claims of one step only the newest passes `finish`, `postpone`, `hold` and `renew` (LeaseLost otherwise).
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from lengow.connector.model import ActionState, ChangeState, EventState, Order, OrderState, StepKind
from lengow.connector.store.rows import (
    ActionRow,
    ChangeRow,
    EventRow,
    JournalEntry,
    MappedCarrier,
    NewStep,
    OrderFilter,
    OrderRow,
    OrderSearch,
    PackageRow,
    ProductMatch,
    QueueRow,
    RecordRow,
    SessionRow,
    Step,
    StoredOrder,
    ToggleRow,
    UserRow,
)


class Reading(Protocol):
    """What can be read, inside a transaction or outside. Unknown ids and keys are left out of the answers."""

    def known(self, account: str, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The fingerprints of the orders of these (marketplace, marketplace_order_id)."""

    def orders_named(self, account: str, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StoredOrder]: ...

    def begun_elsewhere(
        self, account: str, names: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], list[tuple[str, datetime | None, str, datetime]]]:
        """Of orders of these names in other accounts, of which a package is in a shop or on its way there: the account,
        when it was ordered, the total, and since when that package stands so.
        """

    def has_other_accounts(self, account: str) -> bool:
        """Whether there are orders of other accounts, such as of one that the settings do not have any more."""

    def packages(self, package_ids: Sequence[int]) -> dict[int, PackageRow]:
        """By package id."""

    def packages_with_siblings(self, package_ids: Sequence[int]) -> dict[int, PackageRow]:
        """These packages, and all others of their orders, by package id."""

    def order(self, order_id: int) -> StoredOrder | None: ...

    def orders(self, order_ids: Sequence[int]) -> dict[int, StoredOrder]: ...

    def orders_to_decide(self, account: str, since: datetime) -> list[int]:
        """The ids of orders dated `since` or later that have a package which is not begun, withdrawn or failed."""

    def records(self, order_ids: Sequence[int]) -> dict[int, RecordRow]:
        """What Lengow sent, by order id."""

    def models(self, order_ids: Sequence[int]) -> dict[int, Order]:
        """The decoded orders by id, without those that cannot be read."""

    def packages_of_orders(self, order_ids: Sequence[int]) -> dict[int, list[PackageRow]]:
        """By order id."""

    def find_orders(self, marketplace_order_id: str) -> list[StoredOrder]:
        """In all accounts and marketplaces."""

    def package_in_shop(self, shop: str, *, shop_order_id: str = "", reference: str = "") -> PackageRow | None: ...

    def list_orders(self, wanted: OrderFilter) -> list[StoredOrder]:
        """Newest first."""

    def search_orders(self, wanted: OrderSearch) -> list[StoredOrder]:
        """One page of the orders that fit; quick however many there are."""

    def late_orders(
        self, until: datetime, *, account: str | None = None, delayed_before: datetime | None = None
    ) -> list[StoredOrder]:
        """Orders that wait for shipment, with a deadline before `until` and no shipment of the whole order under way;
        nearest first. Those that should be in a shop and are not are among them.

        Quick for one account. A shipment that was given up or is stuck is not under way; nor is one that was told before
        `delayed_before` and could not be sent since. Those told line by line are among them:
        `lengow.connector.deadlines.late_orders` looks at the lines.
        """

    def noted(self, order_ids: Sequence[int], what: str) -> set[int]:
        """Those of the orders in whose journal this stands."""

    def details_noted(self, order_ids: Sequence[int], what: str) -> dict[int, list[str]]:
        """The details of such entries in the orders' journals, oldest first."""

    def count_orders(self, account: str | None = None) -> dict[tuple[str, str], int]:
        """How many by (state, reason)."""

    def count_by_shop(self) -> dict[tuple[str, str, str], int]:
        """How many by (shop, state, reason); the shop is empty for orders that none takes."""

    def marketplaces_with_orders(self, account: str) -> list[str]: ...

    def reasons_of_orders(self, account: str) -> list[str]:
        """Those that some order has."""

    def orders_per_hour(self, since: datetime) -> dict[datetime, int]:
        """How many were ordered in each hour from `since` on; hours of UTC without any are left out."""

    def confirmations_per_hour(self, account: str, since: datetime) -> dict[datetime, int]:
        """How many shipments the marketplaces confirmed, likewise."""

    def journal(self, order_id: int) -> list[JournalEntry]: ...

    def journal_after(self, account: str, entry_id: int, limit: int) -> list[tuple[int, datetime, int]]:
        """(entry id, at, order id) of what happened to the account's orders after this entry, oldest first.

        Where several write at once, an entry may come in that is older than one already read.
        """

    def newest_entry(self) -> int:
        """The id of the journal's newest entry; 0 when there is none."""

    def general_journal(self, *, limit: int = 50) -> list[JournalEntry]:
        """What happened to no order in particular, such as a toggle that was switched; newest first."""

    def actions_of(self, order_id: int) -> list[ActionRow]: ...

    def actions_of_orders(self, order_ids: Sequence[int]) -> dict[int, list[ActionRow]]:
        """By order id, also where there are none."""

    def action(self, action_id: int) -> ActionRow | None: ...

    def list_actions(
        self,
        *,
        account: str | None = None,
        states: Sequence[ActionState] = (),
        unhandled: bool = False,
        before_id: int | None = None,
        limit: int | None = None,
    ) -> list[ActionRow]:
        """Newest first. `unhandled`: only those that nobody has dealt with."""

    def list_events(
        self,
        *,
        shop: str | None = None,
        state: EventState | None = None,
        event_id: str | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[EventRow]:
        """Newest first. `event_id`: as the shop calls it."""

    def change(self, change_id: int) -> ChangeRow | None: ...

    def changes_of(self, order_ids: Sequence[int]) -> dict[int, list[ChangeRow]]:
        """By order id, oldest first."""

    def list_changes(
        self,
        *,
        account: str | None = None,
        shop: str | None = None,
        states: Sequence[ChangeState] = (),
        limit: int | None = None,
    ) -> list[ChangeRow]:
        """Newest first."""

    def count_changes(self, account: str | None = None) -> dict[ChangeState, int]: ...

    def event(self, event_id: int) -> EventRow | None: ...

    def toggles(self) -> list[ToggleRow]: ...

    def get_value(self, account: str, name: str) -> str | None: ...

    def marketplaces(self, account: str) -> dict[str, bytes]: ...

    def marketplaces_read_at(self, account: str) -> datetime | None: ...

    def steps(self, *, kind: StepKind | None = None, held: bool | None = None, limit: int = 50) -> list[Step]: ...

    def is_due(self, kind: StepKind, now: datetime, *, account: str) -> bool:
        """Whether the account has a step of this kind to claim."""

    def is_leased(self, kind: StepKind, now: datetime, *, shop: str) -> bool:
        """Whether some worker holds a step of this kind of the shop."""

    def step(self, step_id: int) -> Step | None: ...

    def steps_of(self, kind: StepKind, subjects: Sequence[str]) -> dict[str, Step]:
        """The steps of a kind by subject, held or not."""

    def product_matches(self, shop: str | None = None) -> list[ProductMatch]:
        """By shop and SKU."""

    def mapped_carriers(self, shop: str | None = None) -> list[MappedCarrier]:
        """By shop, marketplace and code."""

    def queue(self, now: datetime) -> list[QueueRow]:
        """The steps, counted by kind and whether they are held."""

    def count_orders_of_shops(self) -> dict[tuple[str, str, OrderState], int]:
        """By account, shop (empty: none takes it) and state."""

    def count_actions(self) -> dict[tuple[str, ActionState], int]:
        """By account and state."""

    def count_events(self) -> dict[tuple[str, EventState], int]:
        """By shop and state."""

    def orders_to_erase(self, before: datetime, *, unshipped_before: datetime, after_id: int, limit: int) -> list[int]:
        """The ids, from `after_id` on, of orders whose buyer is not erased, that changed last before this time, and that
        nobody is at work on; of those still to be shipped, the ones that changed last before the other time.
        """

    def orders_of_buyer(self, email: str) -> list[int]:
        """The ids of orders with this e-mail address, in capitals or not."""

    def orders_under_way(self, order_ids: Sequence[int]) -> set[int]:
        """Those that somebody is at work on: to be created, or with an action that is still to be sent."""

    def events_with_parcels(
        self, *, before: datetime | None = None, shop: str | None = None, after_id: int = 0, limit: int
    ) -> list[EventRow]:
        """Settled ones that tell of a parcel, oldest first."""

    def users(self) -> list[UserRow]: ...

    def user(self, name: str) -> UserRow | None: ...

    def session(self, digest: str) -> SessionRow | None: ...

    def sessions(self) -> list[SessionRow]: ...

    def failed_logins(self, subjects: Sequence[str]) -> dict[str, int]:
        """How many were noted of each, and not forgotten."""


class Transaction(Reading, Protocol):
    """What can be written. Nothing of it is seen by others before the transaction ends well."""

    def save_orders(self, rows: Sequence[OrderRow]) -> list[int]:
        """Insert (id 0) or replace by id; returns the ids, in the order of the rows."""

    def save_records(self, rows: Sequence[RecordRow]) -> None:
        """Insert, or replace by order id."""

    def save_packages(self, rows: Sequence[PackageRow]) -> list[int]:
        """Insert (id 0) or replace by id; returns the ids, in the order of the rows."""

    def set_package_states(self, rows: Iterable[PackageRow]) -> None:
        """Write state, reason, about, shop_order_id, carries_shipping and changed_at of stored packages."""

    def set_order_states(self, rows: Iterable[tuple[int, OrderState, str, str, datetime]]) -> None:
        """(order id, state, reason, about, changed_at)"""

    def note(self, entries: Iterable[JournalEntry]) -> None: ...

    def add_steps(self, steps: Sequence[NewStep], *, renew: bool = True) -> None:
        """One step of a kind a subject. One that is there already, with `renew`, starts anew: due then, no attempts,
        not held, and of the given account and shop; its deadline stays where none is given, and one that is being worked
        on stays as it is.
        """

    def drop_step(self, kind: StepKind, subject: str) -> None: ...

    def make_due(self, now: datetime, lease_until: datetime) -> None:
        """Every step that waits for a later time is due now, and no lease lasts longer; what is held stays as it is."""

    def claim(
        self,
        kind: StepKind,
        now: datetime,
        lease_until: datetime,
        *,
        limit: int,
        account: str | None = None,
        shop: str | None = None,
        subject: str | None = None,
        force: bool = False,
    ) -> list[Step]:
        """Lease the steps that are due (with `force`: that nobody holds) to the caller.

        Those with the nearest deadline come first, then those that were due first.
        """

    def renew(self, step: Step, lease_until: datetime) -> Step: ...

    def mine(self, steps: Sequence[Step]) -> set[int]:
        """The ids of those that were not taken over; they stay so until the transaction ends."""

    def finish(self, steps: Sequence[Step]) -> None:
        """Done: the steps are gone. Raises LeaseLost if any was taken over."""

    def postpone(self, step: Step, due_at: datetime, error: str = "", *, restart: bool = False) -> None:
        """Try again then, held or not; with `restart` the attempts are counted from zero."""

    def hold(self, step: Step, error: str) -> None:
        """It waits for a person."""

    def add_action(self, row: ActionRow) -> tuple[ActionRow, bool]:
        """Insert (True), or the one that is under way or confirmed with the same `dedupe` (False)."""

    def save_action(self, row: ActionRow) -> None: ...

    def erase_order(self, row: OrderRow, at: datetime, *, parcels: Sequence[str], kept_details: Sequence[str]) -> None:
        """Empty what tells of the buyer in all but the record, the actions' arguments and the events; mark it as erased.

        `parcels`: numbers by which it is found no more; `kept_details`: entries of the journal whose detail stays.
        """

    def set_arguments(self, action_id: int, arguments: str) -> None: ...

    def set_event_body(self, event_id: int, body: str) -> None: ...

    def add_change(self, row: ChangeRow) -> int:
        """Insert; returns the id."""

    def save_change(self, row: ChangeRow) -> None:
        """Write state, reason, about, changed_at and who of a stored change."""

    def add_events(self, rows: Sequence[EventRow]) -> list[int]:
        """The ids of those that are new: one row a (shop, delivery_id, event_id)."""

    def save_event(self, row: EventRow) -> None: ...

    def set_toggle(self, row: ToggleRow) -> None: ...

    def set_product_match(self, row: ProductMatch) -> None:
        """Insert, or replace the one of the same shop and SKU."""

    def map_carrier(self, row: MappedCarrier) -> None:
        """Insert, or replace by shop, marketplace and code."""

    def unmap_carrier(self, shop: str, marketplace: str, code: str) -> bool:
        """Whether it was mapped."""

    def drop_product_match(self, shop: str, sku: str) -> bool:
        """Whether there was one."""

    def set_value(self, account: str, name: str, value: str) -> None: ...

    def save_user(self, row: UserRow) -> None:
        """Insert, or replace by name."""

    def drop_user(self, name: str) -> None:
        """With the user's sessions."""

    def add_session(self, row: SessionRow) -> None: ...

    def drop_session(self, digest: str) -> None: ...

    def drop_sessions(self, user: str) -> None: ...

    def drop_expired_sessions(self, now: datetime) -> None: ...

    def note_failed_login(self, subjects: Sequence[str], at: datetime) -> None: ...

    def forget_failed_logins(self, *, subjects: Sequence[str] = (), before: datetime | None = None) -> None:
        """Those of the subjects, and those from before a time."""

    def save_marketplaces(self, account: str, descriptions: dict[str, bytes], read_at: datetime) -> None: ...


class Store(Reading, Protocol):
    """Safe to share between threads; several processes may open the same one."""

    def transaction(self, wait: float | None = None) -> AbstractContextManager[Transaction]:
        """Raises StoreBusy or StoreError; what the block raises undoes the transaction and is passed on.

        `wait`: seconds for others who hold the store, where somebody waits for the answer.
        """

    def now(self) -> datetime:
        """The time that all who share the store go by: leases and what is due are told by it."""

    def close(self) -> None: ...
