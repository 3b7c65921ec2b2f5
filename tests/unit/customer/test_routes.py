"""The customer API refuses what it must before anything is looked up or written."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from customer.app import MAX_BODY, create_app
from customer.home import HOME_ACCESS
from customer.outreach_routes import LONGEST_TEXT, OUTREACH_ACCESS
from customer.parts import PARTS_ACCESS
from customer.routes import ACCESS
from customer.schemas import LONGEST_NOTE
from customer.sign_in import SIGN_IN_ACCESS
from customer.transfer_routes import TRANSFER_ACCESS
from ringback.clock import system_clock
from ringback.web.access import PUBLIC, ROLES, Principal, make_token
from tests.unit.fakes import SECRET, T0, MemoryDatabase, sample_settings

# Every route of the API, with a body that breaks no rule; DESIGN section 9 says who may.
ROUTES: dict[str, tuple[str, str, Any]] = {
    "list_customers": ("GET", "/customers", None),
    "lookup": ("GET", "/customers/lookup", None),
    "suggest": ("GET", "/customers/suggestions", None),
    "create": ("POST", "/customers", {"name": "Anna"}),
    "show": ("GET", "/customers/x", None),
    "update": ("PUT", "/customers/x", {"name": "Anna"}),
    "delete": ("DELETE", "/customers/x", None),
    "timeline": ("GET", "/customers/x/timeline", None),
    "add_note": ("POST", "/customers/x/notes", {"text": "Hello"}),
    "book": ("POST", "/customers/x/appointments", {"starts_at": "2026-03-10T15:00:00Z", "service": "S", "price": 1}),
    "change_appointment": ("PATCH", "/customers/x/appointments/y", {"status": "completed"}),
    "merge": ("POST", "/customers/x/merge", {"other_id": "y"}),
    "unmerge": ("POST", "/customers/x/unmerge", {"other_id": "y"}),
    "export_person": ("GET", "/customers/x/export", None),
    "send_review_request": ("POST", "/customers/x/send-review-request", {"force": True}),
    "send_sms": ("POST", "/customers/x/send-sms", {"body": "Hello"}),
    "export": ("GET", "/customers/export", None),
    "import_": ("POST", "/customers/import", None),
    "begin": ("GET", "/customers/create", None),
    "begin_import": ("GET", "/customers/import", None),
    "merge_candidates": ("GET", "/customers/x/merge", None),
    "today": ("GET", "/", None),
    "show_settings": ("GET", "/settings", None),
    "part": ("GET", "/parts/customers", None),
}
# Endpoints whose last name another has as well.
NAMED = {"home.show": "today", "parts.customers": "part"}
TABLE = {**ACCESS, **OUTREACH_ACCESS, **TRANSFER_ACCESS, **HOME_ACCESS, **PARTS_ACCESS}
# Who is not known yet: the short links of texts, and signing in and out, which look after themselves.
OF_EVERYBODY = {"outreach.follow", *SIGN_IN_ACCESS}
OF_OWNERS = {"delete", "export_person", "export", "import_", "begin_import", "show_settings"}
OF_PEOPLE = {"merge", "unmerge", "merge_candidates", "today", "part"}
REFUSED = {"owner": set[str](), "staff": OF_OWNERS, "service": OF_OWNERS | OF_PEOPLE}
WITH_BODY = sorted(name for name, (_, _, body) in ROUTES.items() if body is not None)


def name_of(endpoint: str) -> str:
    return NAMED.get(endpoint, endpoint.partition(".")[2])


class WebDatabase(MemoryDatabase):
    def ping(self) -> None:
        """What readiness asks."""


class Front:
    def __init__(self) -> None:
        self.database = WebDatabase()
        self.app = create_app(sample_settings(), self.database.as_database(), lambda: T0)

    def send(self, name: str, role: str = "owner", **request: Any) -> TestResponse:
        method, path, _ = ROUTES[name]
        token = make_token(SECRET, Principal("olga", "demo", role), system_clock(), timedelta(hours=1))
        headers = {"Authorization": f"Bearer {token}", **request.pop("headers", {})}
        return self.app.test_client().open(path, method=method, headers=headers, **request)

    def refuses(self, name: str, field: str, **request: Any) -> list[str]:
        """What is said about the field, by an answer that names no other and came before any write."""
        answer = self.send(name, **request)
        assert answer.status_code == 422, answer.text
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert answer.json["code"] == "invalid"
        assert list(answer.json["errors"]) == [field]
        assert self.database.commits == 0
        said = answer.json["errors"][field]
        assert said
        assert all(isinstance(message, str) for message in said)
        return list(said)


@pytest.fixture(scope="module")
def front() -> Front:
    return Front()


# Who may.


def test_every_route_is_in_the_tables(front: Front) -> None:
    """But health and assets, which everybody may ask for, and what stands for who is not known yet."""
    rules = {rule.endpoint for rule in front.app.url_map.iter_rules()}
    rules = {endpoint for endpoint in rules if not endpoint.startswith(("health.", "assets."))}
    whole = {**TABLE, **SIGN_IN_ACCESS}
    assert rules == set(whole)
    assert {name_of(endpoint) for endpoint in rules - OF_EVERYBODY} == {*ROUTES}
    assert {endpoint for endpoint in whole if whole[endpoint] is PUBLIC} == OF_EVERYBODY


@pytest.mark.parametrize("name", ROUTES)
def test_every_path_leads_where_it_is_meant_to(front: Front, name: str) -> None:
    """`export` and `import` are no customers' ids."""
    method, path, _ = ROUTES[name]
    endpoint, _ = front.app.url_map.bind("").match(path, method)
    assert name_of(endpoint) == name


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("role", ROLES)
def test_who_may_do_what(front: Front, name: str, role: str) -> None:
    """A body that is none shows who comes through: a role is looked at first."""
    may = name not in REFUSED[role]
    [endpoint] = [endpoint for endpoint in TABLE if name_of(endpoint) == name]
    assert (role in TABLE[endpoint]) is may
    if not may:
        answer = front.send(name, role, data=b"{", content_type="application/json")
        assert (answer.status_code, answer.json and answer.json["code"]) == (403, "forbidden")
    elif name in WITH_BODY:
        assert front.send(name, role, data=b"{", content_type="application/json").status_code == 400


@pytest.mark.parametrize("name", ROUTES)
def test_who_is_not_signed_in_may_do_nothing(front: Front, name: str) -> None:
    method, path, body = ROUTES[name]
    assert front.app.test_client().open(path, method=method, json=body).status_code == 401


# What is no JSON object.


@pytest.mark.parametrize("name", sorted({*WITH_BODY} - {"send_review_request"}))
@pytest.mark.parametrize(("content_type", "status"), [(None, 415), ("application/json", 400)])
def test_a_body_is_needed(front: Front, name: str, content_type: str | None, status: int) -> None:
    assert front.send(name, data=b"", content_type=content_type).status_code == status


@pytest.mark.parametrize("name", WITH_BODY)
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"name=Anna", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"{'name': 'Anna'}", "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b'{"price": Infinity}', "application/json", 400),
        (b'{"price": -Infinity}', "application/json", 400),
        (b'{"price": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "application/json", 400),
        (b'{"name": "\xff"}', "application/json", 400),
        ('{"name": "Anna"}'.encode("utf-16"), "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'"name"', "application/json", 422),
        (b'[["name", "Anna"]]', "application/json; charset=utf-8", 422),
    ],
)
def test_what_is_no_json_object_is_refused(
    front: Front, name: str, body: bytes, content_type: str, status: int
) -> None:
    answer = front.send(name, data=body, content_type=content_type)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert front.database.commits == 0


def test_a_body_that_is_too_large_is_refused(front: Front) -> None:
    answer = front.send("add_note", data=b" " * (MAX_BODY + 1), content_type="application/json")
    assert answer.status_code == 413


def test_the_longest_note_is_not_too_large_however_it_is_escaped(front: Front) -> None:
    body = json.dumps({"text": "\N{BELL}" * LONGEST_NOTE, "more": 1})
    front.refuses("add_note", "more", data=body, content_type="application/json")


def test_only_an_owner_asks_again_before_the_cool_down_is_over(front: Front) -> None:
    """Nobody is there, so that who comes through is told so."""
    answers = {
        (role, force): front.send("send_review_request", role, json={"force": force}).status_code
        for role in ROLES
        for force in (False, True)
    }
    assert answers == {(role, force): 403 if force and role != "owner" else 404 for role, force in answers}


def test_a_review_is_asked_for_without_a_body(front: Front) -> None:
    assert front.send("send_review_request").status_code == 404


def test_a_file_has_to_be_csv_and_may_be_larger_than_other_bodies(front: Front) -> None:
    header = b"phone\n"
    assert front.send("import_", data=header, content_type="application/json").status_code == 415
    padded = header + b"\n" * (16 * 1024 * 1024 - len(header))
    assert front.send("import_", data=padded, content_type="text/csv").status_code == 200
    assert front.send("import_", data=padded + b"\n", content_type="text/csv").status_code == 413


@pytest.mark.parametrize("file", [b"", b"colour\nred\n"])
def test_a_file_that_is_no_table_of_customers_is_refused(front: Front, file: bytes) -> None:
    answer = front.send("import_", data=file, content_type="text/csv; charset=utf-8")
    assert (answer.status_code, answer.json and answer.json["code"]) == (422, "bad_file")


# What breaks a rule.

OPERATORS: list[Any] = [{"$gt": ""}, {"$ne": None}, ["$where"], [{"$gt": ""}], {}, [], 0, 1.5, True]
STRINGS = [
    ("create", "name"),
    ("create", "email"),
    ("create", "phone"),
    ("update", "name"),
    ("update", "email"),
    ("update", "phone"),
    ("add_note", "text"),
    ("book", "starts_at"),
    ("book", "service"),
    ("book", "currency"),
    ("change_appointment", "starts_at"),
    ("change_appointment", "service"),
    ("merge", "other_id"),
    ("unmerge", "other_id"),
    ("send_sms", "body"),
]
CHOICES = [("create", "source"), ("book", "status"), ("change_appointment", "status")]


def with_field(name: str, field: str, value: Any) -> Any:
    return {**ROUTES[name][2], field: value}


@pytest.mark.parametrize(("name", "field"), STRINGS + CHOICES)
@pytest.mark.parametrize("value", OPERATORS, ids=str)
def test_where_a_string_belongs_nothing_else_is_taken(front: Front, name: str, field: str, value: Any) -> None:
    front.refuses(name, field, json=with_field(name, field, value))


@pytest.mark.parametrize("name", WITH_BODY)
@pytest.mark.parametrize(
    "field",
    [
        "unknown",
        "_id",
        "business",
        "own.name",
        "$set",
        "own",
        "members",
        "segment",
        "total_spent",
        "",
        "a\0",
        "\ud800",
    ],
)
def test_an_unknown_field_is_refused(front: Front, name: str, field: str) -> None:
    assert front.refuses(name, field, json=with_field(name, field, "x")) == ["Unknown field."]


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, field in STRINGS if field not in {"text", "body"}]
)
@pytest.mark.parametrize("character", ["\0", "\n", "\x1b", "\x7f", "\x85", "\u2028", "\ud800", "\u202e", "\u2066"])
def test_what_is_no_text_is_refused(front: Front, name: str, field: str, character: str) -> None:
    body = json.dumps(with_field(name, field, f"a{character}b"))
    front.refuses(name, field, data=body, content_type="application/json")


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t ", "a\0b", "\x1b[2J", "a\ud800", "a\u202eb", "x" * (LONGEST_NOTE + 1)]
)
def test_a_note_is_text(front: Front, text: str) -> None:
    front.refuses("add_note", "text", data=json.dumps({"text": text}), content_type="application/json")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("create", "name", "x" * 201),
        ("create", "name", "x" * 10_000),
        ("create", "email", "nobody"),
        ("create", "email", "a@b"),
        ("create", "email", "a b@example.com"),
        ("create", "email", f"{'a' * 250}@b.cz"),
        ("create", "email", "a@b.cz\nBcc: c@d.cz"),
        ("create", "phone", "12345"),
        ("create", "phone", "not a number"),
        ("create", "phone", "anonymous"),
        ("create", "phone", "client:bob"),
        ("create", "phone", "+1 212 555 0123 ext. 4"),
        ("create", "phone", "2" * 101),
        ("create", "phones", ["2125550123", "12345"]),
        ("create", "phones", ["2125550123", None]),
        ("create", "phones", [{"$gt": ""}]),
        ("create", "phones", "2125550123"),
        ("create", "phones", None),
        ("create", "phones", [f"+1212555{number:04}" for number in range(21)]),
        ("create", "source", "elsewhere"),
        ("update", "version", 0),
        ("update", "version", "1"),
        ("update", "version", True),
        ("update", "version", 1.0),
        ("update", "source", "manual"),
        ("book", "starts_at", "tomorrow"),
        ("book", "starts_at", "2026-03-10"),
        ("book", "starts_at", "2026-03-10T15:00:00"),
        ("book", "starts_at", "2026-02-30T15:00:00Z"),
        ("book", "starts_at", "1999-12-31T23:59:59Z"),
        ("book", "starts_at", "2100-01-01T00:00:00Z"),
        ("book", "starts_at", "0001-01-01T00:00:00+14:00"),
        ("book", "starts_at", "9999-12-31T23:59:59-14:00"),
        ("book", "starts_at", None),
        ("book", "service", ""),
        ("book", "service", None),
        ("book", "service", "x" * 201),
        ("book", "price", -1),
        ("book", "price", 10**12 + 1),
        ("book", "price", 2**64),
        ("book", "price", 1.0),
        ("book", "price", 1e400),
        ("book", "price", "100"),
        ("book", "price", True),
        ("book", "price", None),
        ("book", "price", {"$inc": 1}),
        ("book", "currency", "usd"),
        ("book", "status", "done"),
        ("change_appointment", "price", False),
        ("change_appointment", "status", None),
        ("change_appointment", "customer_id", "z"),
        ("change_appointment", "currency", "EUR"),
        ("merge", "other_id", "x" * 101),
        ("merge", "other_id", None),
        ("send_sms", "body", " \n "),
        ("send_sms", "body", "x" * (LONGEST_TEXT + 1)),
        ("send_review_request", "force", None),
        ("send_review_request", "force", "true"),
        ("send_review_request", "force", 2),
        ("send_review_request", "force", {"$ne": False}),
    ],
)
def test_what_breaks_a_rule_is_told_by_its_field(front: Front, name: str, field: str, value: Any) -> None:
    body = json.dumps(with_field(name, field, value)).replace("Infinity", "1e400")
    front.refuses(name, field, data=body, content_type="application/json")


def test_every_bad_field_is_told_at_once(front: Front) -> None:
    body = {"name": "x" * 201, "email": "nobody", "phones": ["12345"], "more": 1}
    answer = front.send("create", json=body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert set(answer.json["errors"]) == set(body)


@pytest.mark.parametrize("body", [{}, {"name": " ", "phones": [], "email": None}, {"source": "manual"}])
def test_somebody_who_is_nobody_is_not_created(front: Front, body: Any) -> None:
    front.refuses("create", "name", json=body)


@pytest.mark.parametrize("name", ["create", "update"])
def test_one_number_and_all_numbers_are_not_both_given(front: Front, name: str) -> None:
    front.refuses(name, "phone", json={"phone": "2125550123", "phones": ["2125550123"]})


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "h\xe9"])
@pytest.mark.parametrize("name", ["create", "add_note", "book"])
def test_a_key_that_is_none_is_refused(front: Front, name: str, key: str) -> None:
    front.refuses(name, "Idempotency-Key", json=ROUTES[name][2], headers={"Idempotency-Key": key})


@pytest.mark.parametrize(
    ("name", "query", "field"),
    [
        ("list_customers", "segment=whale", "segment"),
        ("list_customers", "segment=", "segment"),
        ("list_customers", "source=%24ne", "source"),
        ("list_customers", "stage[$ne]=lost", "stage[$ne]"),
        ("list_customers", "limit=0", "limit"),
        ("list_customers", "limit=201", "limit"),
        ("list_customers", "limit=many", "limit"),
        ("list_customers", f"q={'x' * 201}", "q"),
        ("list_customers", "unknown=1", "unknown"),
        ("lookup", "phone=12345", "phone"),
        ("lookup", "phone=", "phone"),
        ("lookup", "", "phone"),
        ("lookup", "phone=2125550123&business=other", "business"),
    ],
)
def test_a_bad_query_is_told_by_field(front: Front, name: str, query: str, field: str) -> None:
    front.refuses(name, field, query_string=query)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["name", "email", "phone", "phones", "source", "version", "text", "starts_at", "service", "price", "status"]
)


@given(st.sampled_from(WITH_BODY), st.dictionaries(FIELDS | st.text(), json_values, max_size=6))
def test_whatever_json_comes_it_is_taken_or_refused_by_field(name: str, body: Any) -> None:
    """Of the routes that need a customer: there is none here, so that what is taken is not found."""
    front = Front()
    answer = front.send(name, json=body)
    assert answer.status_code in {201, 404, 422}, answer.text
    assert answer.json is not None
    if answer.status_code == 422:
        assert answer.json["errors"]
        assert front.database.commits == 0
