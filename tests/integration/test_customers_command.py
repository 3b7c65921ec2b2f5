"""`ringback customers` on a real MongoDB."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from customer.cli import customers
from customer.store import CUSTOMERS, INDEXES
from ringback.errors import InvalidSettings
from ringback.store.database import Database, open_database

FILE = "Full name,Mobile,Colour\nAnna,(212) 555-0123,red\nBob,4155550101,blue\nBob again,+14155550101,blue\nX,12,\n"
Run = Callable[..., Result]


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database]:
    database = open_database(mongo_url, "customer")
    database.ensure_indexes(INDEXES)
    yield database
    database.close()


@pytest.fixture
def run(mongo_url: str, tmp_path: Path, database: Database) -> Run:
    environ = {"RINGBACK_MONGO_URL": mongo_url, "RINGBACK_DATA": str(tmp_path / "var")}
    key = {"RINGBACK_SECRET_KEY": "k" * 40}
    return lambda *arguments: CliRunner().invoke(customers, [str(one) for one in arguments], env=environ | key)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(FILE)
    return path


def test_a_file_is_brought_in_and_what_is_not_new_is_told(run: Run, file: Path) -> None:
    first = run("import", file, "--business", "demo")
    assert first.exit_code == 0, first.output
    assert "line 5: invalid   the phone is no number\n" in first.stdout
    assert first.stdout.endswith("2 created, 0 exists, 1 repeated, 0 erased, 1 invalid.\n")
    again = run("import", file, "--business", "demo")
    assert again.stdout.endswith("0 created, 2 exists, 1 repeated, 0 erased, 1 invalid.\n")


def test_a_dry_run_changes_nothing(run: Run, file: Path, database: Database) -> None:
    result = run("import", file, "--business", "demo", "--dry-run")
    assert result.stdout.endswith("(dry run: nothing was changed).\n")
    assert database[CUSTOMERS].count_documents({}) == 0


def test_columns_can_be_named(run: Run, file: Path, database: Database) -> None:
    assert run("import", file, "--business", "demo", "--map", "name=Colour").exit_code == 0
    assert {row["name"] for row in database[CUSTOMERS].find()} == {"red", "blue"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--business", "nowhere"], "known are demo"),
        (["--business", "demo", "--map", "colour=Colour"], "FIELD=COLUMN"),
        (["--business", "demo", "--map", "name=Shade"], "There is no column Shade"),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    run: Run, file: Path, database: Database, options: list[str], said: str
) -> None:
    result = run("import", file, *options)
    assert result.exit_code != 0
    assert said in result.output
    assert database[CUSTOMERS].count_documents({}) == 0


def test_what_was_brought_in_can_be_written_out(run: Run, file: Path, tmp_path: Path) -> None:
    run("import", file, "--business", "demo")
    output = tmp_path / "out.csv"
    assert run("export", "--business", "demo", "--output", output).exit_code == 0
    with output.open(newline="") as written:
        rows = list(csv.DictReader(written))
    assert {(row["name"], row["phone"]) for row in rows} == {("Anna", "'+12125550123"), ("Bob", "'+14155550101")}
    assert run("export", "--business", "demo").stdout_bytes == output.read_bytes()


def test_counting_anew_changes_nothing_unless_something_is_wrong(run: Run, file: Path, database: Database) -> None:
    run("import", file, "--business", "demo")
    assert run("resync").stdout == "2 records checked, 0 set right.\n"
    database[CUSTOMERS].update_one({"name": "Anna"}, {"$set": {"own.total_calls": 3}})
    [anna] = database[CUSTOMERS].find({"name": "Anna"})
    told = f"{anna['_id']}  own.total_calls\n2 records checked, 1"
    assert run("resync", "--dry-run").stdout == f"{told} found otherwise.\n"
    assert run("resync").stdout == f"{told} set right.\n"
    assert run("resync").stdout == "2 records checked, 0 set right.\n"


def test_without_the_services_key_nobody_is_brought_in(
    file: Path, database: Database, mongo_url: str, tmp_path: Path
) -> None:
    """Whoever was erased would not be recognised."""
    environ = {"RINGBACK_MONGO_URL": mongo_url, "RINGBACK_DATA": str(tmp_path / "var")}
    result = CliRunner().invoke(customers, ["import", str(file), "--business", "demo"], env=environ)
    assert isinstance(result.exception, InvalidSettings)
    assert database[CUSTOMERS].count_documents({}) == 0
    assert CliRunner().invoke(customers, ["resync"], env=environ).exit_code == 0
