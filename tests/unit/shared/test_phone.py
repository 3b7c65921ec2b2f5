"""Caller IDs: who is a person with a number, and who is nobody."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.phone import E164, NAMELESS_KINDS, WITHHELD_DIGITS, WITHHELD_WORDS, identify, to_e164

REGIONS = ("US", "CZ", "DE", "IT", "GB", "CN", "AR")

# twilio.md 1.7: pseudo-numbers, with the misprints that go round, and words.
PSEUDO = (
    "+266696687",
    "+7378742833",
    "+17378742833",
    "+7378742883",
    "+2562533",
    "+8656696",
    "+8566696",
    "+86282452253",
    "+464",
    "+7748283",
)
WORDS = ("anonymous", "unknown", "restricted", "private", "unavailable", "blocked", "withheld")

texts = st.one_of(
    st.text(max_size=40),
    st.text("+0123456789 ()-.,;x#*/:@", max_size=30),
    st.from_regex(r"(\+|00|0|sip:|sips:|client:|whatsapp:|tel:)?[0-9]{1,18}(@host)?", fullmatch=True),
    st.sampled_from((*PSEUDO, *WORDS)),
)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("raw", [*PSEUDO, *WORDS, "", " ", "Anonymous", "RESTRICTED", " Unknown "])
def test_a_withheld_caller_is_nobody(raw: str, region: str) -> None:
    assert (identify(raw, region).kind, identify(raw, region).e164) == ("withheld", None)


@pytest.mark.parametrize("raw", [number.removeprefix("+") for number in PSEUDO])
def test_a_pseudo_number_is_withheld_without_its_plus_too(raw: str) -> None:
    assert identify(raw, "US").kind == "withheld"


@pytest.mark.parametrize(
    "raw", ["(737) 874-2833", "737-874-2833", "+1 737 874 2833", "1.737.874.2883", "+86 282452253"]
)
def test_a_pseudo_number_is_withheld_however_it_is_written(raw: str) -> None:
    assert identify(raw, "US").e164 is None


@pytest.mark.parametrize(("raw", "region"), [("282452253", "CN"), ("0 28 2452253", "CN"), ("00 7378742833", "CZ")])
def test_a_pseudo_number_is_withheld_when_it_comes_of_a_national_writing(raw: str, region: str) -> None:
    assert identify(raw, region).e164 is None


@pytest.mark.parametrize(
    "raw", ["sip:anonymous@anonymous.invalid", "client:Anonymous", "client:anonymous", "sip:Unknown@10.0.0.1"]
)
def test_a_withheld_caller_over_sip_or_the_sdk_is_withheld(raw: str) -> None:
    assert identify(raw, "US").kind == "withheld"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("sip:bob@example.com", "sip"),
        ("sip:+12125550123@example.com;transport=tls", "sip"),
        ("sips:bob@example.com", "sip"),
        ("client:alice", "client"),
        ("client:+12125550123", "client"),
        ("1234", "short"),
        ("+12345", "short"),
        ("999999", "short"),
        ("12", "malformed"),
        ("call me", "malformed"),
        ("+", "malformed"),
        ("+1212555", "malformed"),
        ("+1" + "2" * 20, "malformed"),
        ("9" * 300, "malformed"),
        ("sim:DE1234567890", "malformed"),
        ("\x00", "malformed"),
        ("٠١٢", "short"),
    ],
)
def test_who_has_no_telephone_number_has_no_identity(raw: str, kind: str) -> None:
    assert (identify(raw, "US").kind, identify(raw, "US").e164) == (kind, None)


@pytest.mark.parametrize(
    "raw", ["Bob 2125550123", "my id is 2125550123", "2125550123 or 2125550124", "sim:2125550123"]
)
def test_a_number_somewhere_in_a_text_is_not_the_callers(raw: str) -> None:
    assert identify(raw, "US").e164 is None


@pytest.mark.parametrize(
    ("raw", "region", "kind", "e164"),
    [
        ("+12125550123", "US", "landline_or_mobile", "+12125550123"),
        ("+18005551212", "US", "toll_free", "+18005551212"),
        ("+420601123456", "US", "mobile", "+420601123456"),
        ("+420224123456", "US", "landline", "+420224123456"),
        ("+442079460018", "US", "landline", "+442079460018"),
        ("+15551230001", "US", "possible", "+15551230001"),
        (" +12125550123 ", "US", "landline_or_mobile", "+12125550123"),
    ],
)
def test_a_number_has_a_kind(raw: str, region: str, kind: str, e164: str) -> None:
    assert (identify(raw, region).kind, identify(raw, region).e164) == (kind, e164)


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("2125550123", "US", "+12125550123"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("1-212-555-0123", "US", "+12125550123"),
        ("601 123 456", "CZ", "+420601123456"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("06 1234 5678", "IT", "+390612345678"),
    ],
)
def test_a_national_number_is_read_in_the_business_country(raw: str, region: str, e164: str) -> None:
    assert to_e164(raw, region) == e164


@settings(max_examples=400)
@given(texts, st.sampled_from(REGIONS))
def test_any_text_has_a_kind_and_only_a_named_kind_a_number(raw: str, region: str) -> None:
    caller = identify(raw, region)
    assert (caller.e164 is None) == (caller.kind in NAMELESS_KINDS)


@settings(max_examples=400)
@given(texts, st.sampled_from(REGIONS))
def test_an_identity_is_e164_and_stays_itself(raw: str, region: str) -> None:
    """Else one caller would become two customers, or a withheld one somebody."""
    caller = identify(raw, region)
    if caller.e164 is not None:
        assert E164.fullmatch(caller.e164)
        assert identify(caller.e164, "US") == caller


@given(st.integers(2, 9), st.integers(0, 99), st.integers(2, 9), st.integers(0, 999_999))
def test_every_writing_of_a_number_is_the_same_caller(a: int, b: int, c: int, d: int) -> None:
    area, exchange, line = f"{a}{b:02}", f"{c}{d // 10_000:02}", f"{d % 10_000:04}"
    number = f"1{area}{exchange}{line}"
    if number in WITHHELD_DIGITS:
        return
    writings = (
        f"+{number}",
        number[1:],
        f"({area}) {exchange}-{line}",
        f"+1 {area} {exchange} {line}",
        f"{area}.{exchange}.{line}",
    )
    assert {identify(writing, "US").e164 for writing in writings} == {f"+{number}"}


def test_the_withheld_words_are_those_of_the_contract() -> None:
    assert WITHHELD_WORDS - {""} == set(WORDS)
