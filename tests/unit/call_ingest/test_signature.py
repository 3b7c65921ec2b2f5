"""Twilio's signature: the vectors of facts/twilio.md 2.4, and everything that is not signed.

The vectors carry no AccountSid of ours: a right signature shows as `unknown_account`, a wrong one as `unsigned`.
"""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from call_ingest.signature import MAX_FIELDS, SignatureCheck, Unsigned, path_and_query

Pairs = list[tuple[str, str]]

ACCOUNT = "AC" + "1" * 32
HOST = "https://mycompany.com"
TARGET = "/myapp.php?foo=1&bar=2"
PARAMS: Pairs = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
OTHER_CALLER = [(name, value.replace("5309", "5310")) for name, value in PARAMS]
REPEATED: Pairs = [
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
]
BINDINGS: Pairs = [
    ("MessagingBinding.Address", "+1325xxxxxxx"),
    ("MessagingBinding.Address", "+1415xxxxxxx"),
]
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def check(host: str = HOST, *tokens: str) -> SignatureCheck:
    return SignatureCheck(host, ACCOUNT, tokens or ("12345",))


def verdict(checked: SignatureCheck, target: str, params: Pairs | bytes, signature: str | None) -> str:
    body = params if isinstance(params, bytes) else urlencode(params).encode()
    try:
        checked.verify(target, body, signature)
    except Unsigned as refused:
        return refused.code
    return "accepted"


VECTORS = [
    pytest.param(HOST, TARGET, PARAMS, SIGNATURE, id="1 plain"),
    pytest.param("https://example.com", TARGET, OTHER_CALLER, "L/OH5YylLD5NRKLltdqwSvS0BnU=", id="2 docs"),
    pytest.param(HOST + ":1234", TARGET, PARAMS, SIGNATURE, id="3 https port dropped"),
    pytest.param("http://mycompany.com:1234", TARGET, PARAMS, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", id="4 http port kept"),
    pytest.param(HOST, TARGET, PARAMS, "kvajT1Ptam85bY51eRf/AJRuM3w=", id="5 signed with :443"),
    pytest.param("http://mycompany.com", TARGET, PARAMS, "0ZXoZLH/DfblKGATFgpif+LLRf4=", id="6 signed with :80"),
    pytest.param(
        "https://user:pass@mycompany.com", TARGET, PARAMS, "CukzLTc1tT5dXEDIHm/tKBanW10=", id="7 user, pass"
    ),
    pytest.param(
        "https://user:pass@mycompany.com",
        TARGET,
        PARAMS,
        "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=",
        id="7 user, pass, :443",
    ),
    pytest.param("https://user@mycompany.com", TARGET, PARAMS, "2YRLlVAflCqxaNicjMpJcSTgzSs=", id="8 user only"),
    pytest.param("https://user@mycompany.com", TARGET, PARAMS, "aZfj4hyX1MLZhSS6QIL18Vn2/RA=", id="8 user, :443"),
    pytest.param(HOST, TARGET, REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU=", id="9 repeated"),
    pytest.param(HOST, TARGET, REPEATED[::-1], "IK+Dwps556ElfBT0I3Rgjkr1wJU=", id="9 repeated, any order"),
    pytest.param(HOST, TARGET, BINDINGS, "83O6e2vORAoJHUNzJjDWN1jz+BA=", id="10 bindings"),
    pytest.param(HOST, TARGET, BINDINGS[::-1], "83O6e2vORAoJHUNzJjDWN1jz+BA=", id="10 bindings, any order"),
    pytest.param(HOST, TARGET + "&Body=It%27s+amazing", PARAMS, "TfZzewPq8wqrGlMfyAud8+/IvJ0=", id="14 apostrophe"),
    pytest.param(HOST, TARGET, [*PARAMS, ("CallerName", "")], "KfHfUDJmVSCVi1pFgCm3DUfKdoQ=", id="blank value"),
    pytest.param(
        HOST,
        TARGET,
        [*PARAMS, ("CallerName", "Žofie Nováková 🎉")],
        "IhS+OuIA80QZHKW5qv+pM7kSmrY=",
        id="UTF-8",
    ),
    pytest.param(HOST, TARGET, [*PARAMS, ("Body", " hi ")], "JRVKOz7o9sQz0WGgIOB5/KXnIys=", id="blanks not trimmed"),
    pytest.param(HOST, TARGET, [], "zYQTYrRWXE7LtzbG4PfP7/bkkGo=", id="no parameters"),
]


@pytest.mark.parametrize(("host", "target", "params", "signature"), VECTORS)
def test_what_twilio_signed_is_known(host: str, target: str, params: Pairs, signature: str) -> None:
    assert verdict(check(host), target, params, signature) == "unknown_account"


@pytest.mark.parametrize(("host", "target", "params", "signature"), VECTORS)
def test_nothing_of_it_can_be_changed(host: str, target: str, params: Pairs, signature: str) -> None:
    scheme, _, rest = host.partition("://")
    swapped = {"https": "http", "http": "https"}[scheme]
    changed: list[tuple[SignatureCheck, str, Pairs, str]] = [
        (check(host, "67890"), target, params, signature),
        (check(host.replace("mycompany", "evil").replace("example", "evil")), target, params, signature),
        (check(f"{swapped}://{rest}"), target, params, signature),
        (check(host), target + "&x=1", params, signature),
        (check(host), target.replace("myapp", "other"), params, signature),
        (check(host), "/myapp.php?bar=2&foo=1", params, signature),
        (check(host), target.partition("?")[0], params, signature),
        (check(host), target, [*params, ("CallStatus", "completed")], signature),
        (check(host), target, [*params, ("Empty", "")], signature),
        (check(host), target, params, signature.swapcase()),
        (check(host), target, params, signature[:-2]),
        (check(host), target, params, signature + "="),
        (check(host), target, params, f" {signature}"),
        (check(host), target, params, f"{signature}, {signature}"),
    ]
    if params:
        changed += [
            (check(host), target, [pair for pair in params if pair != params[0]], signature),
            (check(host), target, [(params[0][0], params[0][1] + "1"), *params[1:]], signature),
            (check(host), target, [(params[0][0].lower(), params[0][1]), *params[1:]], signature),
        ]
    assert {verdict(*one) for one in changed} == {"unsigned"}


@pytest.mark.parametrize(
    ("target", "params", "signature"),
    [
        pytest.param(TARGET + "&Body=It's+amazing", PARAMS, "TfZzewPq8wqrGlMfyAud8+/IvJ0=", id="14 unescaped"),
        pytest.param(TARGET, [*PARAMS, ("CallerName", "")], SIGNATURE, id="a blank that was not signed"),
        pytest.param(TARGET, [*PARAMS, ("Body", "hi")], "JRVKOz7o9sQz0WGgIOB5/KXnIys=", id="trimmed"),
        pytest.param(
            TARGET,
            PARAMS,
            "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=",
            id="an algorithm nobody configured",
        ),
        pytest.param(
            TARGET + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            b'{"property": "value", "boolean": true}',
            "a9nBmqA0ju/hNViExpshrM61xv4=",
            id="11 signed JSON is no form",
        ),
        pytest.param(
            "/myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            b'{"property": "value", "boolean": true}',
            "y77kIzt2vzLz71DgmJGsen2scGs=",
            id="12 signed JSON is no form",
        ),
        pytest.param(
            TARGET + "&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            b"{}",
            "Ldidvp12m26NI7eqEvxnEpkd9Hc=",
            id="13 signed JSON is no form",
        ),
        pytest.param(TARGET, PARAMS, None, id="missing"),
        pytest.param(TARGET, PARAMS, "", id="empty"),
        pytest.param(TARGET, PARAMS, "é", id="not ASCII"),
    ],
)
def test_what_twilio_did_not_sign_is_unsigned(target: str, params: Pairs | bytes, signature: str | None) -> None:
    assert verdict(check(), target, params, signature) == "unsigned"


@pytest.mark.parametrize("tokens", [[], [""], ["", ""]])
def test_without_a_token_nothing_is_valid(tokens: list[str]) -> None:
    """Above all not what was signed with an empty key."""
    params = [*PARAMS, ("AccountSid", ACCOUNT)]
    signature = RequestValidator("").compute_signature(HOST + TARGET, dict(params))
    assert verdict(SignatureCheck(HOST, ACCOUNT, tokens), TARGET, params, signature) == "unsigned"


@pytest.mark.parametrize("tokens", [("12345", "67890"), ("67890", "12345"), ("", "67890")])
def test_any_of_the_tokens_will_do(tokens: tuple[str, ...]) -> None:
    checked = SignatureCheck(HOST, ACCOUNT, tokens)
    assert verdict(checked, TARGET, PARAMS, "MRMgx+lNcPbphsWBHcudGhkGNX0=") == "unknown_account"
    assert verdict(check(), TARGET, PARAMS, "MRMgx+lNcPbphsWBHcudGhkGNX0=") == "unsigned"


def signed(params: Pairs, target: str = TARGET) -> str:
    """The algorithm of twilio.md 2.1, written down once more."""
    text = HOST + target + "".join(name + value for name, value in sorted(set(params)))
    return base64.b64encode(hmac.new(b"12345", text.encode(), hashlib.sha1).digest()).decode()


pairs = st.lists(
    st.tuples(
        st.text(max_size=8),
        st.text(max_size=8),
    ),
    max_size=6,
)


@given(pairs)
def test_what_was_signed_is_given_in_order_with_repeats_and_blanks(params: Pairs) -> None:
    whole = [("AccountSid", ACCOUNT), *params]
    assert check().verify(TARGET, urlencode(whole).encode(), signed(whole)) == whole


@pytest.mark.parametrize("account", [None, "", "AC" + "2" * 32, ACCOUNT.lower(), ACCOUNT + " "])
def test_another_accounts_request_is_refused(account: str | None) -> None:
    params = PARAMS if account is None else [*PARAMS, ("AccountSid", account)]
    assert verdict(check(), TARGET, params, signed(params)) == "unknown_account"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"From=%FF%FE", id="escaped, not UTF-8"),
        pytest.param(b"From=\xff\xfe", id="not UTF-8"),
        pytest.param("From=Žofie".encode(), id="not escaped"),
        pytest.param(b"From=%ED%A0%80", id="half a surrogate pair"),
        pytest.param(b"%FF=1", id="name not UTF-8"),
        pytest.param(b"a=1&" * (MAX_FIELDS + 1), id="too many fields"),
        pytest.param(b'{"CallSid": "CA1"}', id="JSON"),
        pytest.param(b"\x00" * 1000, id="zeros"),
    ],
)
def test_what_is_no_form_is_unsigned(body: bytes) -> None:
    assert verdict(check(), TARGET, body, SIGNATURE) == "unsigned"


def test_what_is_not_utf8_is_not_read_as_something_else_that_was_signed() -> None:
    whole = [("AccountSid", ACCOUNT), ("From", "\N{REPLACEMENT CHARACTER}")]
    body = f"AccountSid={ACCOUNT}&From=%FF".encode()
    assert verdict(check(), TARGET, whole, signed(whole)) == "accepted"
    assert verdict(check(), TARGET, body, signed(whole)) == "unsigned"


def test_a_form_may_have_many_fields() -> None:
    params = [("AccountSid", ACCOUNT), *((f"Header{number}", "x") for number in range(MAX_FIELDS - 2))]
    assert verdict(check(), TARGET, params, signed(params)) == "accepted"


request_lines = st.one_of(
    st.text(max_size=60),
    st.text("/?&=#:@%[]0123456789abSHAy.-", max_size=40).map("/{}".format),
    st.lists(st.sampled_from(["http", "://", *"/?#[]@:h"]), max_size=9).map("".join),
)
signatures = st.none() | st.text(max_size=40) | st.just(SIGNATURE)


@pytest.mark.parametrize("host", [HOST, HOST + ":8443", HOST + "/ringback", "http://127.0.0.1:8080"])
@given(raw_uri=request_lines, body=st.binary(max_size=200), signature=signatures)
def test_nothing_else_than_unsigned_comes_of_anything(
    host: str, raw_uri: str, body: bytes, signature: str | None
) -> None:
    assert verdict(check(host), path_and_query(raw_uri), body, signature) == "unsigned"


@pytest.mark.parametrize(
    ("raw_uri", "target"),
    [
        ("/twilio/voice", "/twilio/voice"),
        ("/twilio/voice?a=%27&b=+", "/twilio/voice?a=%27&b=+"),
        ("/twilio/voice?", "/twilio/voice?"),
        ("/twilio/voice?u=http://x/y", "/twilio/voice?u=http://x/y"),
        ("/twilio/voice#rc=3", "/twilio/voice"),
        ("/twilio/voice?a=1#rc=3&rp=5xx", "/twilio/voice?a=1"),
        ("http://host.example/twilio/voice?a=1", "/twilio/voice?a=1"),
        ("https://user:pass@host.example:8443/twilio/voice", "/twilio/voice"),
        ("http://http/twilio/voice", "/twilio/voice"),
        ("/twilio://voice", "/twilio://voice"),
    ],
)
def test_the_target_is_taken_as_it_came(raw_uri: str, target: str) -> None:
    assert path_and_query(raw_uri) == target


@given(request_lines)
def test_any_request_line_has_a_target_without_its_host(raw_uri: str) -> None:
    target = path_and_query(raw_uri)
    assert target == "" or target.startswith("/")
    assert "#" not in target
    assert target in raw_uri
