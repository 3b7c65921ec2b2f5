"""Who may sign in, and their sessions.

`users`: {_id: the name in lower case, name, business, role: owner or staff, password: an argon2 hash or None,
disabled, created_at}. `sessions`: {_id: the sealed secret of a browser, sid: what its CSRF tokens are made of, user,
created_at, seen_at, ends_at}. `login_attempts`: {_id: a sealed name or address in a window of time, count, ends_at}.
The secret of a session stands in the browser's cookie only.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
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

    def add(self, name: str, business: str, role: str, password: str | None) -> None:
        """Raises Invalid, and Conflict when the name is taken."""
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise Invalid("Not a name.", errors={"name": ["Not a name."]})
        user = {
            "_id": key_of(name),
            "name": name.strip(),
            "business": business,
            "role": role,
            "password": self._hashed(password) if password is not None else None,
            "disabled": False,
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
        return not any(user["business"] == business and user["password"] for user in self.list_all())

    def claim(self, name: str, business: str, password: str) -> SignedIn:
        """The first owner of a business chooses a password. Raises Conflict when somebody did before, and Invalid."""
        if not self.none_of(business):
            raise Conflict("The link was used already; sign in with your password.", code="link_used")
        if store.find_user(self.database, key_of(name)) is None:
            self.add(name, business, "owner", password)
        else:
            self.set_password(name, password)
        return self._signed_in(store.find_user(self.database, key_of(name)))

    def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Raises Unauthenticated, never saying whether name or password is wrong, and TooManyTries."""
        tries = {f"name:{key_of(name)}": MOST_OF_NAME, f"address:{address}": MOST_OF_ADDRESS}
        self._refuse_too_many(tries)
        user = store.find_user(self.database, key_of(name))
        if not self._fits(user, password):
            for what in tries:
                store.count_try(self.database, self._window(what), self.clock() + WINDOW)
            raise Unauthenticated("Name or password is wrong.", code="wrong_password")
        return self._signed_in(user)

    def renew(self, secret: str) -> Session:
        """The session of this browser, used again just now. Raises Unauthenticated when it is over."""
        now, row_id = self.clock(), self.seal(f"session:{secret}")
        row = store.find_session(self.database, row_id)
        user = store.find_user(self.database, row["user"]) if row else None
        if row is None or user is None or user["disabled"] or row["ends_at"] <= now or row["seen_at"] + IDLE <= now:
            raise Unauthenticated("You are not signed in any more.", code="session_ended")
        store.touch_session(self.database, row_id, now)
        return Session(row["sid"], user["name"], user["business"], user["role"])

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
        """Takes as long for nobody as for somebody."""
        hashed = None if user is None or user["disabled"] else user["password"]
        try:
            self.hasher.verify(hashed or self.hasher.hash("nobody's"), password[: LONGEST_PASSWORD + 1])
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    def _hashed(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            rule = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
            raise Invalid("The password has the wrong length.", errors={"password": [rule]})
        return self.hasher.hash(password)

    def _refuse_too_many(self, tries: dict[str, int]) -> None:
        for what, most in tries.items():
            if store.tries(self.database, self._window(what)) >= most:
                minutes = int(WINDOW.total_seconds() // 60)
                raise TooManyTries(f"Too many tries. Wait {minutes} minutes.")

    def _window(self, what: str) -> str:
        return self.seal(f"try:{what}:{_window_of(self.clock())}")


def users_of(database: Database, clock: Clock, seal: Seal) -> Users:
    return Users(database, clock, seal, argon2.PasswordHasher())


def key_of(name: str) -> str:
    return name.strip().casefold()


def _window_of(now: datetime) -> int:
    return int(now.timestamp() // WINDOW.total_seconds())
