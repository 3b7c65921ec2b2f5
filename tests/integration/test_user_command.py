"""`ringback user` on a real MongoDB, and what holds there alone: unique names, indexes that clean up."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from customer.store import INDEXES
from customer.user_command import user
from customer.users import Users, users_of
from ringback.clock import system_clock
from ringback.errors import Conflict, Unauthenticated
from ringback.seals import seal_with
from ringback.store.database import Database, open_database

KEY = "k" * 40
PASSWORD = "correct horse"
Run = Callable[..., Result]


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, "customer")
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture
def users(database: Database) -> Users:
    return users_of(database, system_clock, seal_with(KEY))


@pytest.fixture
def environ(mongo_url: str, tmp_path: Path) -> dict[str, str]:
    return {"RINGBACK_MONGO_URL": mongo_url, "RINGBACK_DATA": str(tmp_path / "var"), "RINGBACK_SECRET_KEY": KEY}


@pytest.fixture
def run(environ: dict[str, str], database: Database) -> Run:
    def invoke(*arguments: str, password: str | None = None) -> Result:
        given = ["--password-stdin"] if password is not None else []
        return CliRunner().invoke(user, [*arguments, *given], input=password, env=environ)

    return invoke


def add(run: Run, name: str, role: str = "owner", business: str = "demo", password: str = PASSWORD) -> Result:
    return run("add", name, "--business", business, "--role", role, password=f"{password}\n")


def test_who_is_added_signs_in(run: Run, users: Users) -> None:
    result = add(run, "Olga")
    assert (result.exit_code, result.stdout) == (0, "Olga may sign in to demo as owner.\n")
    assert users.sign_in("olga", PASSWORD, "").session.role == "owner"


def test_a_password_is_asked_for_twice_and_never_shown(environ: dict[str, str], users: Users) -> None:
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    arguments = ["add", "Olga", "--business", "demo", "--role", "staff"]
    assert CliRunner().invoke(user, arguments, input=f"{PASSWORD}\nanother\n", env=environ).exit_code == 1
    result = CliRunner().invoke(user, arguments, input=typed, env=environ)
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert users.sign_in("olga", PASSWORD, "").secret


@pytest.mark.parametrize("wrong", [{"business": "nowhere"}, {"role": "service"}, {"role": "admin"}])
def test_what_is_not_known_is_refused(run: Run, users: Users, wrong: dict[str, str]) -> None:
    assert add(run, "Olga", **wrong).exit_code == 2
    assert users.list_all() == []


def test_a_short_password_and_a_taken_name_are_refused(run: Run) -> None:
    assert add(run, "Olga", password="short").exit_code != 0
    assert add(run, "Olga").exit_code == 0
    taken = add(run, "OLGA")
    assert isinstance(taken.exception, Conflict)


def test_a_new_password_ends_sessions(run: Run, users: Users) -> None:
    add(run, "Olga")
    secret = users.sign_in("olga", PASSWORD, "").secret
    assert run("passwd", "olga", password="another horse\n").exit_code == 0
    with pytest.raises(Unauthenticated):
        users.renew(secret)
    assert users.sign_in("olga", "another horse", "").secret


def test_people_are_listed_disabled_and_enabled(run: Run, users: Users) -> None:
    add(run, "Olga")
    add(run, "Stefan", role="staff")
    assert run("disable", "STEFAN").stdout == "STEFAN is disabled.\n"
    assert run("list").stdout == "Olga\tdemo\towner\tactive\nStefan\tdemo\tstaff\tdisabled\n"
    assert PASSWORD not in run("list").output
    with pytest.raises(Unauthenticated):
        users.sign_in("stefan", PASSWORD, "")
    assert run("enable", "stefan").exit_code == 0
    assert users.sign_in("stefan", PASSWORD, "").secret


def test_nobody_is_changed_who_is_not_there(run: Run) -> None:
    assert run("disable", "nobody").exit_code != 0
    assert run("passwd", "nobody", password=f"{PASSWORD}\n").exit_code != 0


def test_of_many_who_claim_a_business_at_once_one_is_its_owner(users: Users) -> None:
    def claim(number: int) -> bool:
        try:
            return bool(users.claim(f"owner {number}", "demo", PASSWORD))
        except Conflict:
            return False

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(claim, range(4))) == 1
    assert len(users.list_all()) == 1


def test_another_business_has_its_own_first_owner(users: Users) -> None:
    assert users.claim("Olga", "demo", PASSWORD).secret
    assert users.claim("Anna", "other", PASSWORD).secret


def test_sessions_and_tries_clean_up_by_themselves(users: Users, database: Database) -> None:
    users.add("Olga", "demo", "owner", PASSWORD)
    users.sign_in("olga", PASSWORD, "")
    for name in ("sessions", "login_attempts"):
        indexes = database[name].index_information().values()
        assert [index["expireAfterSeconds"] for index in indexes if "expireAfterSeconds" in index] == [0]
        assert database[name].find_one({"ends_at": {"$gt": system_clock()}})
