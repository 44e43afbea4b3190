"""The SQLite schema, step by step. A step that has been released is never changed; a new one is added."""

from collections.abc import Iterable

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from lengow.connector.errors import StoreNewer

migrations = Migrations("lengow-connector")

FIRST = (
    """
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        marketplace TEXT NOT NULL,
        marketplace_order_id TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        status TEXT NOT NULL,
        types TEXT NOT NULL,
        ordered_at TEXT,
        updated_at TEXT,
        ship_by TEXT,
        total TEXT NOT NULL,
        currency TEXT NOT NULL,
        buyer TEXT NOT NULL,
        email TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        about TEXT NOT NULL,
        received_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        shop TEXT NOT NULL DEFAULT '',
        erased_at TEXT,
        listed_at TEXT GENERATED ALWAYS AS (coalesce(ordered_at, received_at)) STORED,
        UNIQUE (account, marketplace, marketplace_order_id)
    )
    """,
    "CREATE INDEX orders_by_state ON orders (account, state, reason, shop)",
    "CREATE INDEX orders_listed ON orders (listed_at, id, shop, marketplace, state, reason, types)",
    "CREATE INDEX orders_by_deadline ON orders (ship_by) WHERE status = 'waiting_shipment'",
    "CREATE INDEX orders_by_number ON orders (marketplace_order_id)",
    """
    CREATE TABLE order_words (
        order_id INTEGER NOT NULL REFERENCES orders (id),
        word TEXT NOT NULL
    )
    """,
    "CREATE INDEX order_words_by_word ON order_words (word, order_id)",
    """
    CREATE TABLE records (
        order_id INTEGER PRIMARY KEY REFERENCES orders (id),
        decoded BLOB NOT NULL,
        raw BLOB NOT NULL,
        unreadable BLOB
    )
    """,
    """
    CREATE TABLE packages (
        id INTEGER PRIMARY KEY,
        order_id INTEGER NOT NULL REFERENCES orders (id),
        position INTEGER NOT NULL,
        shop TEXT NOT NULL,
        reference TEXT NOT NULL UNIQUE,
        line_ids TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        about TEXT NOT NULL,
        shop_order_id TEXT NOT NULL,
        carries_shipping INTEGER NOT NULL,
        changed_at TEXT NOT NULL,
        UNIQUE (order_id, position)
    )
    """,
    "CREATE INDEX packages_by_shop_order ON packages (shop_order_id, shop) WHERE shop_order_id <> ''",
    """
    CREATE TABLE steps (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        account TEXT NOT NULL,
        shop TEXT NOT NULL,
        due_at TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        token INTEGER NOT NULL DEFAULT 0,
        lease_until TEXT,
        held INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        urgency TEXT NOT NULL DEFAULT '9999',
        UNIQUE (kind, subject)
    )
    """,
    "CREATE INDEX steps_of_shop ON steps (kind, held, shop, urgency, due_at)",
    "CREATE INDEX steps_of_account ON steps (kind, held, account, urgency, due_at)",
    """
    CREATE TABLE actions (
        id INTEGER PRIMARY KEY,
        order_id INTEGER NOT NULL REFERENCES orders (id),
        package_id INTEGER REFERENCES packages (id),
        account TEXT NOT NULL,
        marketplace TEXT NOT NULL,
        marketplace_order_id TEXT NOT NULL,
        action_type TEXT NOT NULL,
        arguments TEXT NOT NULL,
        dedupe TEXT NOT NULL,
        state TEXT NOT NULL,
        lengow_id INTEGER,
        error TEXT NOT NULL,
        created_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        sent_at TEXT,
        asked_by TEXT NOT NULL DEFAULT '',
        parcel TEXT NOT NULL,
        quantity INTEGER,
        handled TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX actions_once ON actions (dedupe) WHERE state NOT IN ('refused', 'failed')",
    "CREATE INDEX actions_by_order ON actions (order_id)",
    "CREATE INDEX actions_by_state ON actions (account, state, changed_at, action_type)",
    "CREATE INDEX actions_listed ON actions (state, id)",
    """
    CREATE TABLE changes (
        id INTEGER PRIMARY KEY,
        order_id INTEGER NOT NULL REFERENCES orders (id),
        package_id INTEGER NOT NULL REFERENCES packages (id),
        account TEXT NOT NULL,
        shop TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        about TEXT NOT NULL,
        created_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        who TEXT NOT NULL
    )
    """,
    "CREATE INDEX changes_by_order ON changes (order_id)",
    "CREATE INDEX changes_by_state ON changes (account, state)",
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        shop TEXT NOT NULL,
        delivery_id TEXT NOT NULL,
        event_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        about TEXT NOT NULL,
        received_at TEXT NOT NULL,
        UNIQUE (shop, delivery_id, event_id)
    )
    """,
    "CREATE INDEX events_listed ON events (state, id)",
    "CREATE INDEX events_by_name ON events (event_id, shop)",
    "CREATE INDEX events_by_state ON events (shop, state)",
    """
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        order_id INTEGER,
        package_id INTEGER,
        what TEXT NOT NULL,
        detail TEXT NOT NULL,
        who TEXT NOT NULL
    )
    """,
    "CREATE INDEX journal_by_order ON journal (order_id)",
    """
    CREATE TABLE toggles (
        shop TEXT NOT NULL,
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        set_at TEXT NOT NULL,
        set_by TEXT NOT NULL,
        PRIMARY KEY (shop, name)
    )
    """,
    """
    CREATE TABLE product_matches (
        shop TEXT NOT NULL,
        sku TEXT NOT NULL,
        reference TEXT NOT NULL,
        set_at TEXT NOT NULL,
        set_by TEXT NOT NULL,
        PRIMARY KEY (shop, sku)
    )
    """,
    """
    CREATE TABLE mapped_carriers (
        shop TEXT NOT NULL,
        marketplace TEXT NOT NULL,
        code TEXT NOT NULL,
        carrier TEXT NOT NULL,
        set_at TEXT NOT NULL,
        set_by TEXT NOT NULL,
        PRIMARY KEY (shop, marketplace, code)
    )
    """,
    """
    CREATE TABLE sync_state (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (account, name)
    )
    """,
    """
    CREATE TABLE marketplaces (
        account TEXT NOT NULL,
        marketplace TEXT NOT NULL,
        description BLOB NOT NULL,
        read_at TEXT NOT NULL,
        PRIMARY KEY (account, marketplace)
    )
    """,
    """
    CREATE TABLE users (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL,
        password TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE sessions (
        digest TEXT PRIMARY KEY,
        user_name TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX sessions_of_user ON sessions (user_name)",
    """
    CREATE TABLE failed_logins (
        subject TEXT NOT NULL,
        at TEXT NOT NULL
    )
    """,
    "CREATE INDEX failed_logins_of_subject ON failed_logins (subject)",
    "CREATE INDEX failed_logins_by_time ON failed_logins (at)",
)


def refuse_newer(applied: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raises StoreNewer where a step was applied that this version does not know."""
    unknown = sorted(set(applied) - set(known))
    if unknown:
        raise StoreNewer(f"The store was written by a newer version: {what} has the step {', '.join(unknown)}.")


NAMES = frozenset({"m001_first"})
"""Of all steps."""


@migrations()
def m001_first(db: Database) -> None:
    for statement in FIRST:
        db.execute(statement)
