"""Procrastinate's tables beside ours, brought to the version that is installed."""

from pathlib import Path

from procrastinate.schema import SchemaManager

from lengow.connector.store.postgres_database import Inside

APPLIED = "CREATE TABLE IF NOT EXISTS procrastinate_migrations (name TEXT PRIMARY KEY)"


def bring_schema(db: Inside) -> None:
    """Make the tables, or apply the migrations that came since. In an exclusive transaction."""
    steps = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    db.change(APPLIED)
    applied = {name for (name,) in db.rows("SELECT name FROM procrastinate_migrations")}
    if not applied:
        db.run_script(SchemaManager.get_schema())
    for step in steps:
        if step.stem in applied:
            continue
        if applied:
            db.run_script(step.read_text(encoding="utf-8"))
        db.change("INSERT INTO procrastinate_migrations (name) VALUES (?)", [step.stem])
