"""Who may enter the console: users with a role, passwords, sessions, and a limit on failed logins. All in the store.

A session is a random token in the browser's cookie; the store keeps its digest, so that a copy of the database opens no
session, and ending one there ends it everywhere at once.
"""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from enum import IntEnum
from functools import cache

import msgspec
from werkzeug.security import check_password_hash, generate_password_hash

from lengow.connector.errors import LengowError
from lengow.connector.store import Store
from lengow.connector.store.rows import SessionRow, UserRow
from lengow.console.web.language import N_

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
NAME = re.compile(r"[\w.@+-]{1,64}")

WINDOW = timedelta(minutes=15)
"""For how long a failed login counts."""
MOST_FAILURES = 5
"""Of one name from one address within the window."""
MOST_FROM_ADDRESS = 25
MOST_OF_NAME = 50


class Role(IntEnum):
    """Each may do what those before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class User(msgspec.Struct, frozen=True):
    """Who uses the console; also what a host's own authentication answers."""

    name: str
    role: Role


class PersonInvalid(LengowError):
    """A user's name, role or password will not do."""

    code = "user_invalid"
    what_to_do = "Choose another, as the sentence says."

    def __init__(self, template: str, **values: object) -> None:
        """`template` with `%(name)s` for the values, to be translated where it is shown."""
        super().__init__(template % values if values else template)
        self.template = template
        self.values = values


class TooManyLogins(LengowError):
    """Too many logins failed; try again later."""

    code = "login_limited"
    what_to_do = "Wait some minutes. An administrator can set a new password."


ROLES = {role.word: role for role in Role}


def add_user(store: Store, name: str, role: str, password: str, now: datetime) -> None:
    """Raises PersonInvalid."""
    if not NAME.fullmatch(name):
        raise PersonInvalid(N_("A name may have 1 to 64 letters, digits and . @ + - _."))
    if store.user(name) is not None:
        raise PersonInvalid(N_("There is a user %(name)s already."), name=name)
    with store.transaction() as tx:
        tx.save_user(UserRow(name, _role(role).word, _hashed(password), now))


def set_password(store: Store, name: str, password: str) -> None:
    """Sessions under the old one end. Raises PersonInvalid."""
    user = _user(store, name)
    with store.transaction() as tx:
        tx.save_user(msgspec.structs.replace(user, password=_hashed(password)))
        tx.drop_sessions(name)


def set_role(store: Store, name: str, role: str) -> None:
    """Raises PersonInvalid; the last administrator stays one."""
    user = _user(store, name)
    _refuse_losing_the_last_admin(store, user, role)
    with store.transaction() as tx:
        tx.save_user(msgspec.structs.replace(user, role=_role(role).word))


def remove_user(store: Store, name: str) -> None:
    """Their sessions end. Raises PersonInvalid; the last administrator stays."""
    _refuse_losing_the_last_admin(store, _user(store, name), "")
    with store.transaction() as tx:
        tx.drop_user(name)


def log_in(store: Store, name: str, password: str, address: str, now: datetime) -> User | None:
    """The user whose password it is, or None. Raises TooManyLogins.

    The try is counted before the password is looked at, so that many at once cannot slip through.
    """
    pair = _digest(f"{name}|{address}")
    limits = {
        f"pair:{pair}": MOST_FAILURES,
        f"address:{_digest(address)}": MOST_FROM_ADDRESS,
        f"name:{_digest(name)}": MOST_OF_NAME,
    }
    with store.transaction() as tx:
        tx.forget_failed_logins(before=now - WINDOW)
        counts = tx.failed_logins(list(limits))
        if any(counts.get(subject, 0) >= most for subject, most in limits.items()):
            raise TooManyLogins
        tx.note_failed_login(list(limits), now)
    row = store.user(name)
    matches = check_password_hash(row.password if row else _nobodys(), password[:LONGEST_PASSWORD])
    if row is None or not matches:
        return None
    with store.transaction() as tx:
        tx.forget_failed_logins(subjects=list(limits))
    return User(row.name, ROLES[row.role])


def open_session(store: Store, user: User, now: datetime, lasts: timedelta) -> str:
    """Returns the token for the browser; the store gets only its digest."""
    token = new_token()
    with store.transaction() as tx:
        tx.drop_expired_sessions(now)
        tx.add_session(SessionRow(_digest(token), user.name, now, now + lasts))
    return token


def session_user(store: Store, token: str, now: datetime) -> User | None:
    """Whose session it is, with the role that they have now."""
    session = store.session(_digest(token))
    if session is None or session.expires_at <= now:
        return None
    row = store.user(session.user)
    return User(row.name, ROLES[row.role]) if row else None


def close_session(store: Store, token: str) -> None:
    with store.transaction() as tx:
        tx.drop_session(_digest(token))


def close_sessions(store: Store, name: str) -> None:
    with store.transaction() as tx:
        tx.drop_sessions(name)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PersonInvalid(N_("A password must have at least %(count)s characters."), count=SHORTEST_PASSWORD)
    return generate_password_hash(password)


def _role(word: str) -> Role:
    if word not in ROLES:
        raise PersonInvalid(N_("There is no such role; there are: %(roles)s."), roles=", ".join(ROLES))
    return ROLES[word]


def _user(store: Store, name: str) -> UserRow:
    row = store.user(name)
    if row is None:
        raise PersonInvalid(N_("There is no user %(name)s."), name=name[:80])
    return row


def _refuse_losing_the_last_admin(store: Store, user: UserRow, role: str) -> None:
    admins = [one.name for one in store.users() if one.role == Role.ADMIN.word]
    if admins == [user.name] and role != Role.ADMIN.word:
        raise PersonInvalid(N_("%(name)s is the last administrator; make somebody else one first."), name=user.name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _nobodys() -> str:
    """Compared with when there is no such user, so that the time it takes tells nothing."""
    return generate_password_hash(secrets.token_urlsafe(16))
