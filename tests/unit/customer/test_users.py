"""Who may sign in: passwords, tries, sessions that end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from customer.users import IDLE, LIFETIME, MOST_OF_ADDRESS, MOST_OF_NAME, WINDOW, TooManyTries, Users, users_of
from ringback.errors import Conflict, Invalid, NotFound, Unauthenticated
from ringback.seals import seal_with
from tests.unit.fake_users import UserDatabase, users_in_memory
from tests.unit.fakes import SECRET, T0

PASSWORD = "correct horse"
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Time:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> datetime:
        return self.now

    def passes(self, some: timedelta) -> None:
        self.now += some


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def database() -> UserDatabase:
    return UserDatabase()


@pytest.fixture
def users(time: Time, database: UserDatabase) -> Users:
    users = users_in_memory(time, database)
    users.add("Olga", "demo", "owner", PASSWORD)
    return users


def fails(users: Users, name: str = "olga", password: str = "", address: str = HERE) -> None:
    with pytest.raises(Unauthenticated) as caught:
        users.sign_in(name, password, address)
    assert caught.value.code == "wrong_password"


# Passwords.


def test_who_knows_the_password_comes_in(users: Users) -> None:
    session = users.sign_in("Olga", PASSWORD, HERE).session
    assert (session.subject, session.business, session.role) == ("Olga", "demo", "owner")


def test_passwords_are_kept_as_argon2id_with_the_librarys_own_cost(database: UserDatabase) -> None:
    users_of(database.as_database(), lambda: T0, seal_with(SECRET)).add("Anna", "demo", "staff", PASSWORD)
    kept = database.documents("users")["anna"]["password"]
    assert kept.startswith("$argon2id$v=19$m=65536,")
    assert PASSWORD not in str(database.collections)


@pytest.mark.parametrize("name", ["olga", "OLGA", "  Olga ", "\uff4f\uff4c\uff47\uff41"])
def test_a_name_is_the_same_in_any_case_and_width(users: Users, name: str) -> None:
    assert users.sign_in(name, PASSWORD, HERE).session.subject == "Olga"
    with pytest.raises(Conflict, match="already"):
        users.add(name, "demo", "staff", PASSWORD)


def test_however_a_keyboard_composes_an_accent(users: Users) -> None:
    users.add("René", "demo", "staff", "caf\u00e9 au lait")
    assert users.sign_in("Rene\u0301", "cafe\u0301 au lait", HERE).session.subject == "René"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("olga", "wrong"),
        ("olga", ""),
        ("olga", PASSWORD.upper()),
        ("nobody", PASSWORD),
        ("", ""),
        ("olga", "x" * 9999),
    ],
)
def test_a_wrong_name_and_a_wrong_password_look_the_same(users: Users, name: str, password: str) -> None:
    fails(users, name, password)


def test_for_nobody_as_much_is_computed_as_for_somebody(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(users, "nobody")
    work: list[str] = []
    for method in ("hash", "verify"):
        monkeypatch.setattr(type(users.hasher), method, _noted(work, method, getattr(type(users.hasher), method)))
    fails(users, "olga")
    of_somebody = list(work)
    work.clear()
    fails(users, "nobody")
    assert work == of_somebody == ["verify"]


def _noted(work: list[str], method: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        work.append(method)
        return original(*args)

    return call


@pytest.mark.parametrize("password", ["", "short", "x" * 9, "x" * 201])
def test_a_password_has_a_length(users: Users, password: str) -> None:
    with pytest.raises(Invalid) as caught:
        users.add("Anna", "demo", "staff", password)
    assert list(caught.value.errors) == ["password"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "an\nna", "an\u200bna", "an\u202ena", "\x00"])
def test_a_name_can_be_seen(users: Users, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        users.add(name, "demo", "staff", PASSWORD)
    assert list(caught.value.errors) == ["name"]


def test_a_new_password_ends_all_sessions(users: Users) -> None:
    secret = users.sign_in("olga", PASSWORD, HERE).secret
    users.set_password("OLGA", "another horse")
    with pytest.raises(Unauthenticated):
        users.renew(secret)
    fails(users, password=PASSWORD)
    assert users.sign_in("olga", "another horse", HERE).secret


def test_who_is_disabled_is_out_until_enabled(users: Users) -> None:
    secret = users.sign_in("olga", PASSWORD, HERE).secret
    users.set_disabled("olga", disabled=True)
    fails(users, password=PASSWORD)
    with pytest.raises(Unauthenticated):
        users.renew(secret)
    users.set_disabled("olga", disabled=False)
    with pytest.raises(Unauthenticated):
        users.renew(secret)
    assert users.sign_in("olga", PASSWORD, HERE).secret


def test_nobody_can_be_changed_who_is_not_there(users: Users) -> None:
    with pytest.raises(NotFound):
        users.set_password("x", PASSWORD)
    with pytest.raises(NotFound):
        users.set_disabled("x", disabled=True)


# Tries.


def test_after_too_many_tries_even_the_right_password_waits(users: Users, time: Time) -> None:
    for _ in range(MOST_OF_NAME):
        fails(users)
    for name in ("olga", "OLGA"):
        with pytest.raises(TooManyTries):
            users.sign_in(name, PASSWORD, THERE)
    time.passes(WINDOW)
    assert users.sign_in("olga", PASSWORD, HERE).secret


def test_too_many_tries_of_one_name_are_nobody_elses(users: Users) -> None:
    users.add("Anna", "demo", "staff", PASSWORD)
    for _ in range(MOST_OF_NAME):
        fails(users)
    assert users.sign_in("anna", PASSWORD, HERE).secret


def test_an_address_has_its_tries_whatever_the_names(users: Users) -> None:
    for number in range(MOST_OF_ADDRESS):
        fails(users, f"name {number}")
    with pytest.raises(TooManyTries):
        users.sign_in("olga", PASSWORD, HERE)
    assert users.sign_in("olga", PASSWORD, THERE).secret


def test_who_comes_in_uses_up_no_tries(users: Users) -> None:
    for _ in range(MOST_OF_NAME + 1):
        users.sign_in("olga", PASSWORD, HERE)


def test_a_try_counts_before_the_password_is_looked_at(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else as many as are sent at once would all be looked at."""
    refused: list[bool] = []

    def verify(*_: Any) -> bool:
        if len(refused) <= MOST_OF_NAME:
            refused.append(True)
            fails(users)
        raise TooManyTries("the one that was too many")

    monkeypatch.setattr(type(users.hasher), "verify", verify)
    with pytest.raises(TooManyTries):
        users.sign_in("olga", "wrong", HERE)
    assert len(refused) == MOST_OF_NAME


def test_it_says_how_long_to_wait(users: Users, time: Time) -> None:
    time.passes(timedelta(minutes=4, seconds=30))
    for _ in range(MOST_OF_NAME):
        fails(users)
    with pytest.raises(TooManyTries, match=r"Wait 11 min\."):
        users.sign_in("olga", PASSWORD, HERE)


# Sessions.


def test_a_session_lasts_while_it_is_used(users: Users, time: Time) -> None:
    secret = users.sign_in("olga", PASSWORD, HERE).secret
    for _ in range(5):
        time.passes(IDLE - timedelta(seconds=1))
        assert users.renew(secret).subject == "Olga"


def test_a_session_ends_when_nobody_used_it(users: Users, time: Time) -> None:
    secret = users.sign_in("olga", PASSWORD, HERE).secret
    time.passes(IDLE - timedelta(seconds=1))
    assert users.renew(secret, used=False).id
    time.passes(timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        users.renew(secret)


def test_a_session_ends_in_any_case(users: Users, time: Time) -> None:
    secret = users.sign_in("olga", PASSWORD, HERE).secret
    step = timedelta(hours=6)
    for _ in range(LIFETIME // step - 1):
        time.passes(step)
        users.renew(secret)
    time.passes(step)
    with pytest.raises(Unauthenticated):
        users.renew(secret)


def test_signing_out_ends_this_session_alone(users: Users) -> None:
    first, second = users.sign_in("olga", PASSWORD, HERE), users.sign_in("olga", PASSWORD, HERE)
    assert first.session.id != second.session.id
    users.sign_out(first.secret)
    with pytest.raises(Unauthenticated):
        users.renew(first.secret)
    assert users.renew(second.secret) == second.session


@pytest.mark.parametrize("secret", ["", "x", "\x00", "💥"])
def test_what_is_no_secret_is_no_session(users: Users, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        users.renew(secret)


def test_the_database_alone_opens_no_session(users: Users, database: UserDatabase) -> None:
    signed_in = users.sign_in("olga", PASSWORD, HERE)
    assert signed_in.secret not in str(database.collections)
    [row] = database.documents("sessions").values()
    for kept in (row["_id"], row["sid"]):
        with pytest.raises(Unauthenticated):
            users.renew(kept)


# The first owner.


def test_the_first_owner_of_a_business_claims_it_once(time: Time) -> None:
    users = users_in_memory(time)
    assert users.none_of("demo")
    session = users.claim("Olga", "demo", PASSWORD).session
    assert (session.subject, session.business, session.role) == ("Olga", "demo", "owner")
    with pytest.raises(Conflict) as caught:
        users.claim("Eve", "demo", PASSWORD)
    assert caught.value.code == "link_used"
    assert users.none_of("other")


def test_of_two_who_claim_at_the_same_moment_one_is_first(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    users = users_in_memory(time)
    answers = iter([True, True])
    real = Users.none_of
    monkeypatch.setattr(Users, "none_of", lambda self, business: next(answers, None) or real(self, business))
    users.claim("Olga", "demo", PASSWORD)
    with pytest.raises(Conflict) as caught:
        users.claim("Eve", "demo", PASSWORD)
    assert caught.value.code == "link_used"
    assert [user["name"] for user in users.list_all()] == ["Olga"]


def test_claiming_a_business_takes_over_nobody_of_another(users: Users) -> None:
    with pytest.raises(Conflict) as caught:
        users.claim("olga", "other", "a password of Eve's")
    assert caught.value.code == "name_taken"
    assert users.sign_in("olga", PASSWORD, HERE).session.business == "demo"
    assert users.none_of("other")


def test_who_was_added_by_hand_makes_the_link_void(users: Users) -> None:
    with pytest.raises(Conflict) as caught:
        users.claim("Eve", "demo", PASSWORD)
    assert caught.value.code == "link_used"
