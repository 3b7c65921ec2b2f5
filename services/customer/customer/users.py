"""Who may sign in, and their sessions.

`users`: {_id: the name in lower case, name, business, role: owner or staff, password: an argon2 hash, disabled,
first: whether it claimed its business by the link, created_at}. `sessions`: {_id: the sealed secret of a browser,
sid: what its CSRF tokens are made of, user, created_at, seen_at, ends_at}. `login_attempts`: {_id: a sealed name or
address in a window of time, count, ends_at}. The secret of a session stands in the browser's cookie only.
"""

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import ceil
from typing import Any

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from customer import user_store as store
from ringback.clock import Clock
from ringback.errors import Conflict, Invalid, NotFound, TooManyRequests, Unauthenticated
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.web.sessions import Session

PEOPLE_ROLES = ("owner", "staff")
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
LONGEST_NAME = 100
# A session ends when nobody used it for a night, and in any case after two weeks (OWASP: idle and absolute timeout).
IDLE = timedelta(hours=12)
LIFETIME = timedelta(days=14)
SECRET_BYTES = 32
# Failures in a window: of one name, and from one address.
WINDOW = timedelta(minutes=15)
MOST_OF_NAME = 10
MOST_OF_ADDRESS = 50


class TooManyTries(TooManyRequests):
    """Too many sign-ins failed: wait."""

    code = "too_many_tries"


@dataclass(frozen=True)
class SignedIn:
    """`secret` is what the browser keeps to renew its session."""

    session: Session
    secret: str


@dataclass(frozen=True)
class Users:
    """Use cases of users and sessions. Passwords are hashed by argon2id with the library's defaults (RFC 9106)."""

    database: Database
    clock: Clock
    seal: Seal
    hasher: argon2.PasswordHasher

    def add(self, name: str, business: str, role: str, password: str, *, first: bool = False) -> None:
        """Raises Invalid, and Conflict when the name is taken."""
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            rule = f"1 to {LONGEST_NAME} characters that can be seen."
            raise Invalid("That is no name.", errors={"name": [rule]})
        user = {
            "_id": key_of(name),
            "name": name.strip(),
            "business": business,
            "role": role,
            "password": self._hashed(password),
            "disabled": False,
            "first": first,
            "created_at": self.clock(),
        }
        if not store.insert_user(self.database, user):
            raise Conflict("There is somebody of this name already.", code="name_taken")

    def set_password(self, name: str, password: str) -> None:
        """Ends all sessions of the user. Raises Invalid and NotFound."""
        self._changed(name, {"password": self._hashed(password)})

    def set_disabled(self, name: str, *, disabled: bool) -> None:
        """Who is disabled is signed out, at the latest when the short session ends. Raises NotFound."""
        self._changed(name, {"disabled": disabled})

    def list_all(self) -> list[dict[str, Any]]:
        return store.list_users(self.database)

    def none_of(self, business: str) -> bool:
        """Whether nobody of the business can sign in yet."""
        return not store.has_users(self.database, business)

    def claim(self, name: str, business: str, password: str) -> SignedIn:
        """The first owner of a business chooses a name and a password.

        Names are of all businesses: one that is taken stays whose it is. Raises Conflict when somebody came before,
        and Invalid.
        """
        self.refuse_used_link(business)
        try:
            self.add(name, business, "owner", password, first=True)
        except Conflict:
            self.refuse_used_link(business)
            raise
        return self._signed_in(store.find_user(self.database, key_of(name)))

    def refuse_used_link(self, business: str) -> None:
        """Raises Conflict."""
        if not self.none_of(business):
            raise Conflict("The link was used already; sign in with your password.", code="link_used")

    def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Raises Unauthenticated, never saying whether name or password is wrong, and TooManyTries."""
        tries = {f"name:{key_of(name)}": MOST_OF_NAME, f"address:{address}": MOST_OF_ADDRESS}
        self._count(tries)
        user = store.find_user(self.database, key_of(name))
        if not self._fits(user, password):
            raise Unauthenticated("Name or password is wrong.", code="wrong_password")
        self._forgive(tries)
        return self._signed_in(user)

    def renew(self, secret: str, *, used: bool = True) -> Session:
        """The session of this browser, `used` again just now by a person. Raises Unauthenticated when it is over."""
        now, row_id = self.clock(), self.seal(f"session:{secret}")
        row = store.find_session(self.database, row_id)
        user = store.find_user(self.database, row["user"]) if row else None
        if row is None or user is None or user["disabled"] or row["ends_at"] <= now or row["seen_at"] + IDLE <= now:
            raise Unauthenticated("You are not signed in any more.", code="session_ended")
        if used:
            store.touch_session(self.database, row_id, now)
        return Session(row["sid"], user["name"], user["business"], user["role"])

    def session_id(self, secret: str) -> str | None:
        """The id of this browser's session, however long it was not used."""
        row = store.find_session(self.database, self.seal(f"session:{secret}"))
        return row["sid"] if row else None

    def sign_out(self, secret: str) -> None:
        store.delete_session(self.database, self.seal(f"session:{secret}"))

    def _changed(self, name: str, values: dict[str, Any]) -> None:
        if not store.update_user(self.database, key_of(name), values):
            raise NotFound("There is nobody of this name.")
        store.delete_sessions_of(self.database, key_of(name))

    def _signed_in(self, user: dict[str, Any] | None) -> SignedIn:
        assert user is not None
        secret, sid, now = secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES), self.clock()
        store.insert_session(
            self.database,
            {
                "_id": self.seal(f"session:{secret}"),
                "sid": sid,
                "user": user["_id"],
                "created_at": now,
                "seen_at": now,
                "ends_at": now + LIFETIME,
            },
        )
        return SignedIn(Session(sid, user["name"], user["business"], user["role"]), secret)

    def _fits(self, user: dict[str, Any] | None, password: str) -> bool:
        """One hash is computed, for nobody as for somebody."""
        hashed = None if user is None or user["disabled"] else user["password"]
        try:
            self.hasher.verify(hashed or _nobodys(self.hasher), _plain(password[: LONGEST_PASSWORD + 1]))
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    def _hashed(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            rule = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
            raise Invalid("The password has the wrong length.", errors={"password": [rule]})
        return self.hasher.hash(_plain(password))

    def _count(self, tries: Mapping[str, int]) -> None:
        """Counted before the password is looked at: whoever sends many at once has no more tries for it."""
        counts = {what: store.count_try(self.database, self._window(what), self._kept_until()) for what in tries}
        if any(counts[what] > most for what, most in tries.items()):
            left = WINDOW.total_seconds() - self.clock().timestamp() % WINDOW.total_seconds()
            raise TooManyTries(f"Too many tries. Wait {ceil(left / 60)} min.")

    def _forgive(self, tries: Mapping[str, int]) -> None:
        for what in tries:
            store.count_try(self.database, self._window(what), self._kept_until(), by=-1)

    def _kept_until(self) -> datetime:
        return self.clock() + WINDOW

    def _window(self, what: str) -> str:
        return self.seal(f"try:{what}:{_window_of(self.clock())}")


def users_of(database: Database, clock: Clock, seal: Seal) -> Users:
    return Users(database, clock, seal, argon2.PasswordHasher())


def key_of(name: str) -> str:
    """Upper or lower case, and how a keyboard composes an accent, make no other name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).strip().casefold())


@cache
def _nobodys(hasher: argon2.PasswordHasher) -> str:
    return hasher.hash(secrets.token_urlsafe(SECRET_BYTES))


def _plain(password: str) -> str:
    """However a keyboard composes its accents (NIST SP 800-63B section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _window_of(now: datetime) -> int:
    return int(now.timestamp() // WINDOW.total_seconds())
