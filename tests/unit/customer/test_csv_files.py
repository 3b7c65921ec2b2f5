"""Customers in and out as CSV: columns found by their names, and no cell that a spreadsheet would run."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer.csv_files import EXPORTED, FORMULA_STARTS, BadFile, guarded, lines, rows


def read(text: str, **columns: str) -> list[dict[str, str]]:
    return [dict(row.values) for row in rows(io.StringIO(text), columns)]


@pytest.mark.parametrize(
    "text",
    [
        "name,phone,email\nAnna,555-0123,a@b.example\n",
        "Full Name;Mobile Phone;E-Mail\nAnna;555-0123;a@b.example\n",
        "\ufeffEMAIL\tCell\tCustomer name\na@b.example\t555-0123\tAnna\n",
        '"name","notes","phone","email"\r\n"Anna","likes, commas\nand lines","555-0123","a@b.example"\r\n',
    ],
)
def test_columns_are_found_by_what_they_are_called(text: str) -> None:
    assert read(text) == [{"name": "Anna", "phone": "555-0123", "email": "a@b.example"}]


def test_who_says_which_column_is_which_is_heeded() -> None:
    text = "name,Who,Tel. 1\nx,Anna,555-0123\n"
    assert read(text, name="Who", phone="Tel. 1") == [{"name": "Anna", "phone": "555-0123"}]


@pytest.mark.parametrize("text", ["", "\n", "name,city\nAnna,Rome\n"])
def test_what_is_no_table_of_customers_is_said_so(text: str) -> None:
    with pytest.raises(BadFile):
        read(text)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(BadFile, match="Handy"):
        read("name,phone\n", phone="Handy")


def test_short_blank_and_long_rows_do_no_harm() -> None:
    found = read("name,phone\nAnna\n\n,\nBob,1,2,3\n")
    assert found == [{"name": "Anna", "phone": ""}, {"name": "Bob", "phone": "1"}]


def test_a_row_knows_its_line() -> None:
    found = list(rows(io.StringIO('name,phone\n"An\nna",1\nBob,2\n'), {}))
    assert [row.line for row in found] == [3, 4]


@given(st.text(max_size=20))
def test_no_cell_is_a_formula_and_none_is_lost(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(FORMULA_STARTS)
    assert cell.endswith(text)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20).map(str.strip),
    st.integers(0, 9999999),
)
def test_what_was_written_is_read_again(name: str, number: int) -> None:
    phone = f"+1212{number:07d}"
    table = "".join(lines([{"name": name, "phone": phone, "id": "1"}]))
    assert read(table) == [{"name": name, "phone": phone, "email": ""}]
    assert next(csv.reader(io.StringIO(table))) == list(EXPORTED)
