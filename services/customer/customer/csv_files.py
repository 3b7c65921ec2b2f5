"""Customers as CSV (RFC 4180): which column means what, and cells that no spreadsheet takes for a formula. Pure."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

FIELDS = ("name", "phone", "email")
EXPORTED = (
    "id",
    "name",
    "phone",
    "email",
    "segment",
    "pipeline_stage",
    "source",
    "total_calls",
    "total_appointments",
    "total_spent",
    "currency",
    "last_visit_at",
    "last_activity_at",
    "created_at",
)
# What a header may say for a field, in lower case and without punctuation.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "full name", "customer", "customer name", "contact", "display name"),
    "phone": ("phone", "phone number", "mobile", "mobile phone", "cell", "telephone", "number", "primary phone"),
    "email": ("email", "e mail", "email address", "e mail address", "mail"),
}
# A cell that begins so is a formula to a spreadsheet (owasp.org/www-community/attacks/CSV_Injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
GUARD = "'"
LONGEST_CELL = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """`line` is where it ends in the file, the header being line 1."""

    line: int
    values: Mapping[str, str]


class BadFile(ValueError):
    """No such table; the text says why."""


def rows(file: TextIO, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of a file; `columns` (field → header) goes before what the headers say by themselves.

    Raises BadFile. Blank rows are left out.
    """
    reader = csv.reader(file, _dialect(file))
    header = next(reader, None)
    if not header:
        raise BadFile("The file is empty.")
    places = _places([cell.strip().removeprefix("\ufeff") for cell in header], columns)
    try:
        for cells in reader:
            values = {name: _cell(cells, place) for name, place in places.items()}
            if any(values.values()):
                yield Row(reader.line_num, values)
    except csv.Error as error:
        raise BadFile(f"Line {reader.line_num} is not CSV.") from error


def _dialect(file: TextIO) -> type[csv.Dialect]:
    """Comma, semicolon or tab, whichever the first lines show."""
    start = file.tell()
    sample = file.read(4096)
    file.seek(start)
    try:
        dialect = csv.Sniffer().sniff(sample, delimiters=",;\t")
    except csv.Error:
        return csv.excel
    dialect.doublequote = True  # of a sample with few quotes the sniffer may say otherwise (RFC 4180 section 2.7)
    return dialect


def _places(header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    unknown = [column for column in columns.values() if column not in header]
    if unknown:
        raise BadFile(f"There is no column {', '.join(unknown)}; there are {', '.join(header)}.")
    places = {name: header.index(column) for name, column in columns.items()}
    plain = [" ".join("".join(c if c.isalnum() else " " for c in cell.lower()).split()) for cell in header]
    for name in FIELDS:
        found = next((plain.index(word) for word in SYNONYMS[name] if word in plain), None)
        if name not in places and found is not None:
            places[name] = found
    if not {"phone", "email"} & set(places):
        raise BadFile(f"No column is a phone or an e-mail; there are {', '.join(header)}.")
    return places


def _cell(cells: Sequence[str], place: int) -> str:
    text = cells[place].strip()[:LONGEST_CELL] if place < len(cells) else ""
    return text[1:] if text[:1] == GUARD and text[1:].startswith(FORMULA_STARTS) else text


def guarded(value: object) -> str:
    """A value as a cell that stays text."""
    text = "" if value is None else str(value)
    return GUARD + text if text.startswith(FORMULA_STARTS) else text


def lines(customers: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """The export, a line at a time, with its header."""
    writer = csv.writer(echo := _Echo())
    writer.writerow(EXPORTED)
    yield echo.line
    for customer in customers:
        writer.writerow([guarded(customer.get(name)) for name in EXPORTED])
        yield echo.line


class _Echo:
    """What csv writes to, so that a file need not be held."""

    line = ""

    def write(self, text: str) -> None:
        self.line = text
