"""Use case: bring in customers from elsewhere, in batches, as often as wanted: who is there already is left alone."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from marshmallow import ValidationError, validate

from customer import store
from customer.csv_files import Row
from customer.domain import Document, new_own, new_record
from customer.erasing import address_of, number_of
from customer.identity import of_phone, with_waiting
from customer.people import Needs, People
from customer.telling import Cause, finish
from ringback.businesses import Business
from ringback.callers import customer_id_of
from ringback.clock import Clock
from ringback.phone import identify
from ringback.seals import Seal
from ringback.store.database import Database
from ringback.store.unit_of_work import UnitOfWork, repeated

BATCH = 200
LONGEST_NAME, LONGEST_EMAIL = 200, 254
EMAIL = validate.Email()
CREATED, EXISTS, REPEATED, ERASED, INVALID = OUTCOMES = ("created", "exists", "repeated", "erased", "invalid")
WAS_ERASED = "was erased; whoever is a customer again is entered by hand"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a row; `customer_id` is who it is, or was already; `why` of what is not valid."""

    line: int
    outcome: str
    customer_id: str | None = None
    why: str | None = None


@dataclass
class Report:
    counts: Counter[str] = field(default_factory=Counter)
    notable: list[Result] = field(default_factory=list)
    """All but the created."""

    def add(self, result: Result) -> None:
        self.counts[result.outcome] += 1
        if result.outcome != CREATED:
            self.notable.append(result)


@dataclass(frozen=True, slots=True)
class _Wanted:
    line: int
    record_id: str
    name: str
    phone: str | None
    phone_kind: str
    email: str | None
    names: frozenset[str]
    """What was erased if they were."""


@dataclass(frozen=True)
class Importing:
    """`seal` is the one that customers were erased with: an old file does not bring them back."""

    database: Database
    businesses: Mapping[str, Business]
    clock: Clock
    seal: Seal

    def run(
        self, business: str, rows: Iterable[Row], *, dry_run: bool, on_batch: Callable[[int], None] = lambda _: None
    ) -> Report:
        """Idempotent on number, else e-mail: after an interruption the same file is simply brought in again."""
        report, seen, remaining = Report(), dict[str, int](), iter(rows)
        while batch := list(islice(remaining, BATCH)):
            wanted = [one for one in (self._wanted(business, row, seen, report) for row in batch) if one]
            for result in self._bring_in(business, wanted, dry_run):
                report.add(result)
            on_batch(len(batch))
        return report

    def _wanted(self, business: str, row: Row, seen: dict[str, int], report: Report) -> _Wanted | None:
        """What a row asks for; None, with the reason in the report, when that is nothing."""
        try:
            wanted = _read(business, row, self.businesses[business].country)
        except ValueError as error:
            report.add(Result(row.line, INVALID, why=str(error)))
            return None
        first = seen.setdefault(wanted.record_id, row.line)
        if first != row.line:
            report.add(Result(row.line, REPEATED, wanted.record_id, f"as line {first}"))
            return None
        return wanted

    def _bring_in(self, business: str, wanted: Sequence[_Wanted], dry_run: bool) -> list[Result]:
        def act(work: UnitOfWork) -> list[Result]:
            needs = Needs(records={one.record_id for one in wanted})
            names = {name for one in wanted for name in one.names}
            erased = store.erased_of(work, self.seal, needs.records | names)
            people = People(work, self.businesses, self.clock(), erased)
            phones = {one.phone for one in wanted if one.phone}
            needs.phones[business] |= phones
            needs.awaited |= {of_phone(business, phone) for phone in phones}
            people.load(needs)
            return [self._bring_in_one(people, business, one) for one in wanted]

        if dry_run:
            return act(UnitOfWork(self.database, self.clock))
        return repeated(self.database, self.clock, act)

    def _bring_in_one(self, people: People, business: str, one: _Wanted) -> Result:
        known = people.with_phone(business, one.phone) if one.phone else people.record(one.record_id)
        if known is not None:
            return Result(one.line, EXISTS, people.root_of(known)["_id"])
        if one.names & people.erased:
            return Result(one.line, ERASED, why=WAS_ERASED)
        own: Document = new_own(one.phone, one.phone_kind, "import", people.now)
        own |= {"name": one.name or None, "email": one.email}
        record_id = self._unused(people, business, one.record_id)
        record = with_waiting(people, new_record(record_id, business, own), one.phone)
        finish(people, record, Cause(f"import:{record_id}", people.now))
        return Result(one.line, CREATED, record_id)

    def _unused(self, people: People, business: str, record_id: str) -> str:
        """The id, or the next one when it is that of somebody who had the number once."""
        if people.record(record_id) is None and record_id not in people.erased:
            return record_id
        following = customer_id_of(business, None, record_id)
        store.load_records(people.work, {}, [following])
        people.erased |= store.erased_of(people.work, self.seal, [following])
        return self._unused(people, business, following)


def _read(business: str, row: Row, country: str) -> _Wanted:
    """Raises ValueError with the reason."""
    name, email = row.values.get("name", ""), row.values.get("email", "").lower() or None
    caller = identify(row.values["phone"], country) if row.values.get("phone") else None
    if caller is not None and caller.e164 is None:
        raise ValueError("the phone is no number")
    if caller is None and email is None:
        raise ValueError("neither phone nor e-mail")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError("the name is too long or holds control characters")
    if email is not None:
        _check_email(email)
    phone = caller.e164 if caller else None
    record_id = customer_id_of(business, phone, f"import\n{email}")
    names = {number_of(business, phone)} if phone else {record_id, address_of(business, email or "")}
    return _Wanted(row.line, record_id, name, phone, caller.kind if caller else "none", email, frozenset(names))


def _check_email(text: str) -> None:
    try:
        EMAIL(text)
    except ValidationError as error:
        raise ValueError("the e-mail is none") from error
    if len(text) > LONGEST_EMAIL:
        raise ValueError("the e-mail is too long")
