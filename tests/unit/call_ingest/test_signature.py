"""Twilio's signature: the vectors of Twilio's documentation and libraries, and everything that is not signed."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import Headers, MultiDict

from call_ingest.signature import FORM, JSON, MAX_FIELDS, Params, SignatureCheck, Unsigned, path_and_query
from ringback.settings import SharedKey

ACCOUNT = "AC" + "1" * 32
ANOTHER = "AC" + "2" * 32
TOKEN = "12345"
HOST = "https://mycompany.com"
PATH = "/myapp.php"
TARGET = PATH + "?foo=1&bar=2"
PARAMS: Params = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
OTHER_CALLER = [(name, value.replace("5309", "5310")) for name, value in PARAMS]
REPEATED: Params = [
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
]
BINDINGS: Params = [
    ("MessagingBinding.Address", "+1325xxxxxxx"),
    ("MessagingBinding.Address", "+1415xxxxxxx"),
]
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
PROPERTY = b'{"property": "value", "boolean": true}'
PROPERTY_HASH = "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
EMPTY_HASH = "&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
SHA256_OF_PARAMS = "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="
SHA256_OF_PROPERTY = "+UOCWf84gdgo/5Hpg4m5/EgKnJA2/TbOw5sPNVr3bPk="
KEY = SharedKey("key1", "HMAC_SHA256", TOKEN)
NAMING_KEY = "key=key1,algorithm=HMAC_SHA256"


def check(host: str = HOST, *tokens: str, shared_keys: Sequence[SharedKey] = ()) -> SignatureCheck:
    return SignatureCheck(host, ACCOUNT, tokens or (TOKEN,), shared_keys)


def check_keys(*shared_keys: SharedKey, tokens: Sequence[str] = ()) -> SignatureCheck:
    return SignatureCheck(HOST, ACCOUNT, tokens, shared_keys)


def headers_of(signature: str | None, naming: str | None = None) -> dict[str, str]:
    named = {"X-Twilio-Signature": signature, "X-Twilio-Webhooks-Signature-Settings": naming}
    return {name: value for name, value in named.items() if value is not None}


def verdict(
    checked: SignatureCheck,
    target: str,
    content: Params | bytes,
    signature: str | None,
    *,
    naming: str | None = None,
    mimetype: str | None = None,
) -> Params | str:
    """The parameters or the refusal's code. Bytes are JSON and a list is a form, unless said otherwise."""
    body = content if isinstance(content, bytes) else urlencode(content).encode()
    if mimetype is None:
        mimetype = JSON if isinstance(content, bytes) else FORM
    try:
        return checked.verify(target, body, headers_of(signature, naming), mimetype)
    except Unsigned as refused:
        return refused.code


def signed(
    params: Params, target: str = TARGET, base: str = HOST, token: str = TOKEN, algorithm: str = "sha1"
) -> str:
    """The algorithm of Twilio's documentation, written down once more."""
    text = base + target + "".join(name + value for name, value in sorted(set(params)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), algorithm).digest()).decode()


def hashed(body: bytes) -> str:
    return f"{TARGET}&bodySHA256={hashlib.sha256(body).hexdigest()}"


def json_verdict(body: bytes) -> Params | str:
    """Of a body that Twilio signed."""
    return verdict(check(), hashed(body), body, signed([], hashed(body)))


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
    pytest.param(HOST, TARGET, [], "zYQTYrRWXE7LtzbG4PfP7/bkkGo=", id="no parameters, as of GET"),
]
JSON_VECTORS = [
    pytest.param(
        TARGET + PROPERTY_HASH,
        PROPERTY,
        [("property", "value"), ("boolean", "true")],
        "a9nBmqA0ju/hNViExpshrM61xv4=",
        id="11",
    ),
    pytest.param(
        PATH + PROPERTY_HASH.replace("&", "?"),
        PROPERTY,
        [("property", "value"), ("boolean", "true")],
        "y77kIzt2vzLz71DgmJGsen2scGs=",
        id="12 nothing else in the query",
    ),
    pytest.param(TARGET + EMPTY_HASH, b"{}", [], "Ldidvp12m26NI7eqEvxnEpkd9Hc=", id="13 empty object"),
    pytest.param(
        TARGET + "&bodySHA256=5ccde7145dfb8f56479710896586cb9d5911809d83afbe34627818790db0aec9",
        b'{"CallSid":"CA1234567890ABCDE","Caller":"+12349013030"}',
        [("CallSid", "CA1234567890ABCDE"), ("Caller", "+12349013030")],
        signed([], TARGET + "&bodySHA256=5ccde7145dfb8f56479710896586cb9d5911809d83afbe34627818790db0aec9"),
        id="15 docs, whose token is not known",
    ),
]


def broken(text: str) -> list[str]:
    """Each with another character in one place."""
    return [text[:at] + ("x" if one != "x" else "y") + text[at + 1 :] for at, one in enumerate(text)]


@pytest.mark.parametrize(("host", "target", "params", "signature"), VECTORS)
def test_what_twilio_signed_is_accepted(host: str, target: str, params: Params, signature: str) -> None:
    assert verdict(check(host), target, params, signature) == params


@pytest.mark.parametrize(("target", "body", "params", "signature"), JSON_VECTORS)
def test_json_that_twilio_signed_is_accepted(target: str, body: bytes, params: Params, signature: str) -> None:
    assert verdict(check(), target, body, signature) == params


@pytest.mark.parametrize(("host", "target", "params", "signature"), VECTORS)
def test_not_a_byte_of_it_can_be_changed(host: str, target: str, params: Params, signature: str) -> None:
    checked = check(host)
    changed = [
        *(verdict(checked, other, params, signature) for other in broken(target)),
        *(verdict(checked, target, params, other) for other in broken(signature)),
        *(verdict(check(host, other), target, params, signature) for other in broken(TOKEN)),
    ]
    for at, (name, value) in enumerate(params):
        others = [(other, value) for other in broken(name)] + [(name, other) for other in broken(value)]
        changed += [verdict(checked, target, [*params[:at], other, *params[at + 1 :]], signature) for other in others]
    assert set(map(str, changed)) == {"unsigned"}


@pytest.mark.parametrize(("target", "body", "params", "signature"), JSON_VECTORS)
def test_not_a_byte_of_signed_json_can_be_changed(target: str, body: bytes, params: Params, signature: str) -> None:
    changed = [
        *(verdict(check(), other, body, signature) for other in broken(target)),
        *(verdict(check(), target, body, other) for other in broken(signature)),
        *(verdict(check(), target, other.encode(), signature) for other in broken(body.decode())),
        *(verdict(check(HOST, other), target, body, signature) for other in broken(TOKEN)),
    ]
    assert set(map(str, changed)) == {"unsigned"}


@pytest.mark.parametrize(("host", "target", "params", "signature"), VECTORS)
def test_nothing_can_be_added_taken_away_or_moved(host: str, target: str, params: Params, signature: str) -> None:
    scheme, _, rest = host.partition("://")
    swapped = {"https": "http", "http": "https"}[scheme]
    changed: list[tuple[SignatureCheck, str, Params, str]] = [
        (check(host.replace("mycompany", "evil").replace("example", "evil")), target, params, signature),
        (check(f"{swapped}://{rest}"), target, params, signature),
        (check(host), target + "&x=1", params, signature),
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
        changed.append((check(host), target, [pair for pair in params if pair != params[0]], signature))
    assert {str(verdict(*one)) for one in changed} == {"unsigned"}


@pytest.mark.parametrize(
    ("target", "params", "signature"),
    [
        pytest.param(TARGET + "&Body=It's+amazing", PARAMS, "TfZzewPq8wqrGlMfyAud8+/IvJ0=", id="14 unescaped"),
        pytest.param(TARGET, [*PARAMS, ("CallerName", "")], SIGNATURE, id="a blank that was not signed"),
        pytest.param(TARGET, [*PARAMS, ("Body", "hi")], "JRVKOz7o9sQz0WGgIOB5/KXnIys=", id="trimmed"),
        pytest.param(TARGET, PARAMS, SHA256_OF_PARAMS, id="an algorithm nobody configured"),
        pytest.param(TARGET, PARAMS, None, id="missing"),
        pytest.param(TARGET, PARAMS, "", id="empty"),
        pytest.param(TARGET, PARAMS, "é", id="not ASCII"),
        pytest.param(TARGET, PARAMS, "\ud800", id="no text at all"),
        pytest.param(TARGET + "&é=1", PARAMS, signed(PARAMS, TARGET + "&é=1"), id="address not ASCII"),
    ],
)
def test_what_twilio_did_not_sign_is_unsigned(target: str, params: Params, signature: str | None) -> None:
    assert verdict(check(), target, params, signature) == "unsigned"


def test_headers_are_found_whatever_their_case() -> None:
    headers = Headers({"x-twilio-signature": SHA256_OF_PARAMS, "x-twilio-webhooks-signature-settings": NAMING_KEY})
    assert check_keys(KEY).verify(TARGET, urlencode(PARAMS).encode(), headers, FORM) == PARAMS


def test_a_lone_question_mark_is_part_of_the_address() -> None:
    with_it, without = PATH + "?", PATH
    assert verdict(check(), with_it, PARAMS, signed(PARAMS, with_it)) == PARAMS
    assert verdict(check(), with_it, PARAMS, signed(PARAMS, without)) == "unsigned"
    assert verdict(check(), without, PARAMS, signed(PARAMS, with_it)) == "unsigned"


hosts = st.sampled_from(["ring.example", "127.0.0.1", "[2001:db8::1]"])
users = st.sampled_from(["", "user@", "user:pass@", "user:p@ss@"])
ports = st.sampled_from(["", ":80", ":443", ":1234"])
prefixes = st.sampled_from(["", "/ringback"])


@given(st.sampled_from([("http", ":80"), ("https", ":443")]), users, hosts, ports, prefixes)
def test_twilio_may_leave_out_user_and_port_or_name_the_default_one(
    scheme_and_default: tuple[str, str], user: str, host: str, port: str, prefix: str
) -> None:
    scheme, default = scheme_and_default
    checked = check(f"{scheme}://{user}{host}{port}{prefix}")

    def signed_as(users: set[str], ports: set[str]) -> set[str]:
        signatures = (
            signed(PARAMS, base=f"{scheme}://{user}{host}{port}{prefix}") for user in users for port in ports
        )
        return {str(verdict(checked, TARGET, PARAMS, signature)) for signature in signatures}

    assert signed_as({"", user}, {"", port, default}) == {str(PARAMS)}
    assert signed_as({"", user}, {":80", ":443", ":1234", ":5678"} - {port, default}) == {"unsigned"}
    assert signed_as({"pass@", "evil@"}, {"", port, default}) == {"unsigned"}


@pytest.mark.parametrize("tokens", [[], [""], ["", ""]])
@pytest.mark.parametrize("shared_keys", [[], [SharedKey("key1", "HMAC_SHA256", "")]])
@pytest.mark.parametrize(("naming", "algorithm"), [(None, "sha1"), (NAMING_KEY, "sha256")])
def test_without_a_secret_nothing_is_valid(
    tokens: list[str], shared_keys: list[SharedKey], naming: str | None, algorithm: str
) -> None:
    """Above all not what was signed with an empty one."""
    checked = SignatureCheck(HOST, ACCOUNT, tokens, shared_keys)
    signature = signed(PARAMS, token="", algorithm=algorithm)
    assert verdict(checked, TARGET, PARAMS, signature, naming=naming) == "unsigned"


@pytest.mark.parametrize("tokens", [("12345", "67890"), ("67890", "12345"), ("", "67890")])
def test_any_of_the_tokens_will_do(tokens: tuple[str, ...]) -> None:
    checked = SignatureCheck(HOST, ACCOUNT, tokens)
    assert verdict(checked, TARGET, PARAMS, "MRMgx+lNcPbphsWBHcudGhkGNX0=") == PARAMS
    assert verdict(check(), TARGET, PARAMS, "MRMgx+lNcPbphsWBHcudGhkGNX0=") == "unsigned"


@pytest.mark.parametrize(
    ("target", "content", "params", "signature"),
    [
        pytest.param(TARGET, PARAMS, PARAMS, SHA256_OF_PARAMS, id="form"),
        pytest.param(
            TARGET + PROPERTY_HASH,
            PROPERTY,
            [("property", "value"), ("boolean", "true")],
            SHA256_OF_PROPERTY,
            id="JSON",
        ),
    ],
)
@pytest.mark.parametrize("naming", [NAMING_KEY, "key=key1, algorithm=HMAC_SHA256", "algorithm=HMAC_SHA256,key=key1"])
def test_what_was_signed_with_a_shared_key_is_accepted(
    target: str, content: Params | bytes, params: Params, signature: str, naming: str
) -> None:
    checked = check_keys(SharedKey("key0", "HMAC_SHA1", "abc"), KEY, tokens=["67890"])
    assert verdict(checked, target, content, signature, naming=naming) == params
    changed = [verdict(checked, target, content, other, naming=naming) for other in broken(signature)]
    assert set(map(str, changed)) == {"unsigned"}


@pytest.mark.parametrize(
    "naming",
    [
        pytest.param("", id="empty"),
        pytest.param("key1", id="no names"),
        pytest.param("key=key1", id="no algorithm"),
        pytest.param("algorithm=HMAC_SHA256", id="no key"),
        pytest.param("key=,algorithm=HMAC_SHA256", id="blank key"),
        pytest.param("key=key2,algorithm=HMAC_SHA256", id="unknown key"),
        pytest.param("key=KEY1,algorithm=HMAC_SHA256", id="key in capitals"),
        pytest.param("key=key1,algorithm=HMAC_SHA1", id="another algorithm"),
        pytest.param("key=key1,algorithm=HMAC_MD5", id="unknown algorithm"),
        pytest.param("key=key1,algorithm=hmac_sha256", id="algorithm in small letters"),
        pytest.param("key=key1,algorithm=", id="blank algorithm"),
        pytest.param("key=key1,key=key1,algorithm=HMAC_SHA256", id="key repeated"),
        pytest.param("key=key2,key=key1,algorithm=HMAC_SHA256", id="two keys"),
        pytest.param("key=key1,algorithm=HMAC_SHA1,algorithm=HMAC_SHA256", id="two algorithms"),
        pytest.param(f"{NAMING_KEY},", id="empty part"),
        pytest.param(f"{NAMING_KEY}, {NAMING_KEY}", id="header repeated"),
        pytest.param(f"{NAMING_KEY},more=1", id="unknown part"),
        pytest.param("key=key1;algorithm=HMAC_SHA256", id="other separator"),
        pytest.param("key=key1,algorithm=HMAC_SHA256\ud800", id="no text at all"),
    ],
)
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_header_that_does_not_name_a_configured_key_is_unsigned(naming: str, algorithm: str) -> None:
    """Even if token and key are the same secret, whatever the algorithm was."""
    checked = check_keys(KEY, tokens=[TOKEN])
    assert verdict(checked, TARGET, PARAMS, signed(PARAMS, algorithm=algorithm), naming=naming) == "unsigned"


def test_a_request_chooses_neither_secret_nor_algorithm() -> None:
    sha1_key = SharedKey("key2", "HMAC_SHA1", "67890")
    checked = check_keys(KEY, sha1_key, tokens=["abc"])
    naming_sha1_key = "key=key2,algorithm=HMAC_SHA1"
    attempts = [
        (signed(PARAMS), NAMING_KEY, "the right key with another algorithm"),
        (signed(PARAMS, algorithm="sha256"), naming_sha1_key, "another key"),
        (signed(PARAMS, algorithm="sha256"), None, "the key without being named"),
        (signed(PARAMS, token="67890"), None, "a key of the tokens' algorithm without being named"),
        (signed(PARAMS, token="67890"), NAMING_KEY, "another key's secret and algorithm"),
        (signed(PARAMS, token="abc"), NAMING_KEY, "the token under a key's name"),
        (signed(PARAMS, token="abc", algorithm="sha256"), None, "the token with another algorithm"),
    ]
    for signature, naming, why in attempts:
        assert verdict(checked, TARGET, PARAMS, signature, naming=naming) == "unsigned", why
    assert verdict(checked, TARGET, PARAMS, signed(PARAMS, token="abc")) == PARAMS
    assert verdict(checked, TARGET, PARAMS, signed(PARAMS, token="67890"), naming=naming_sha1_key) == PARAMS


pairs = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=6)


@given(pairs)
def test_what_was_signed_is_given_in_order_with_repeats_and_blanks(params: Params) -> None:
    whole = [("AccountSid", ACCOUNT), *params]
    assert verdict(check(), TARGET, whole, signed(whole)) == whole


@pytest.mark.parametrize("sids", [[], [""], [" "], [ACCOUNT], [ACCOUNT, ACCOUNT], ["", ACCOUNT]])
def test_our_account_or_none_is_accepted(sids: list[str]) -> None:
    params = [*PARAMS, *(("AccountSid", sid) for sid in sids)]
    assert verdict(check(), TARGET, params, signed(params)) == params
    assert json_verdict(json.dumps({"AccountSid": sids}).encode()) == params[len(PARAMS) :]


@pytest.mark.parametrize(
    "sids",
    [[ANOTHER], [ACCOUNT.lower()], [ACCOUNT + " "], [ACCOUNT, ANOTHER], [ANOTHER, ACCOUNT], ["", ANOTHER]],
)
def test_another_accounts_request_is_refused(sids: list[str]) -> None:
    params = [*PARAMS, *(("AccountSid", sid) for sid in sids)]
    assert verdict(check(), TARGET, params, signed(params)) == "unknown_account"
    assert json_verdict(json.dumps({"AccountSid": sids}).encode()) == "unknown_account"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"From=%FF%FE", id="escaped, not UTF-8"),
        pytest.param(b"From=\xff\xfe", id="not UTF-8"),
        pytest.param("From=Žofie".encode(), id="not escaped"),
        pytest.param(b"From=%ED%A0%80", id="half a surrogate pair"),
        pytest.param(b"%FF=1", id="name not UTF-8"),
        pytest.param(b'{"CallSid": "CA1"}', id="JSON"),
        pytest.param(b"\x00" * 1000, id="zeros"),
    ],
)
def test_what_is_no_form_is_unsigned(body: bytes) -> None:
    assert verdict(check(), TARGET, body, SIGNATURE, mimetype=FORM) == "unsigned"


def test_what_is_not_utf8_is_not_read_as_something_else_that_was_signed() -> None:
    params = [("From", "\N{REPLACEMENT CHARACTER}")]
    assert verdict(check(), TARGET, params, signed(params)) == params
    assert verdict(check(), TARGET, b"From=%FF", signed(params), mimetype=FORM) == "unsigned"


def test_a_form_may_have_many_fields_but_not_any_number() -> None:
    params = [(f"Header{number}", "x") for number in range(MAX_FIELDS)]
    one_more = [*params, ("More", "")]
    assert verdict(check(), TARGET, params, signed(params)) == params
    assert verdict(check(), TARGET, one_more, signed(one_more)) == "unsigned"


@pytest.mark.parametrize("mimetype", ["", "text/plain", "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_what_is_neither_form_nor_json_is_unsigned(mimetype: str) -> None:
    target = TARGET + PROPERTY_HASH
    assert verdict(check(), target, PROPERTY, signed([], target), mimetype=mimetype) == "unsigned"
    assert verdict(check(), TARGET, PARAMS, signed(PARAMS), mimetype=mimetype) == "unsigned"


PROPERTY_PARAM = PROPERTY_HASH.removeprefix("&")
EMPTY_PARAM = EMPTY_HASH.removeprefix("&")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="none"),
        pytest.param("?foo=1", id="another parameter"),
        pytest.param(f"?{EMPTY_PARAM}", id="another body's"),
        pytest.param(f"?{PROPERTY_PARAM}&{EMPTY_PARAM}", id="contradicting, last wrong"),
        pytest.param(f"?{EMPTY_PARAM}&{PROPERTY_PARAM}", id="contradicting, first wrong"),
        pytest.param(f"?{PROPERTY_PARAM}&bodySHA256=", id="contradicting, blank"),
        pytest.param(f"?{PROPERTY_PARAM}&bodySHA256", id="contradicting, without a value"),
        pytest.param("?bodySHA256=", id="blank"),
        pytest.param(f"?{PROPERTY_PARAM[:-1]}", id="cut"),
        pytest.param(f"?{PROPERTY_PARAM.lower()}", id="name in small letters"),
        pytest.param(f"?bodySHA256={PROPERTY_PARAM.partition('=')[2].upper()}", id="hash in capitals"),
        pytest.param(f"?{PROPERTY_PARAM.replace('S', '%53')}", id="name escaped"),
        pytest.param(f"?x{PROPERTY_PARAM}", id="in another name"),
        pytest.param(f"/{PROPERTY_PARAM}", id="in the path"),
        pytest.param(f"?foo=1;{PROPERTY_PARAM}", id="after a semicolon"),
    ],
)
def test_json_without_the_hash_of_its_body_is_unsigned(query: str) -> None:
    """Even if the address is signed."""
    assert verdict(check(), PATH + query, PROPERTY, signed([], PATH + query)) == "unsigned"


def test_the_same_hash_twice_is_one() -> None:
    target = f"{PATH}?{PROPERTY_PARAM}&{PROPERTY_PARAM}"
    assert verdict(check(), target, PROPERTY, signed([], target)) == [("property", "value"), ("boolean", "true")]


def test_signed_json_is_no_form() -> None:
    """Neither as it is, nor with its body taken away."""
    target, signature = TARGET + PROPERTY_HASH, "a9nBmqA0ju/hNViExpshrM61xv4="
    assert verdict(check(), target, PROPERTY, signature, mimetype=FORM) == "unsigned"
    assert verdict(check(), target, [], signature) == "unsigned"


def test_a_signed_form_is_no_json() -> None:
    assert verdict(check(), TARGET, urlencode(PARAMS).encode(), SIGNATURE, mimetype=JSON) == "unsigned"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_texts_in_json_are_taken_as_they_are(document: dict[str, str]) -> None:
    assert json_verdict(json.dumps(document).encode()) == list(document.items())


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (" hi ", [" hi "]),
        ("Žofie 🎉", ["Žofie 🎉"]),
        (None, [""]),
        (True, ["true"]),
        (12, ["12"]),
        (0.5, ["0.5"]),
        (["b", "a", "b", ""], ["b", "a", "b", ""]),
        ([], []),
        (["a", 1], ['["a",1]']),
        ([None], ["[null]"]),
        ({"text": "Žofie", "more": [1, 2]}, ['{"text":"Žofie","more":[1,2]}']),
    ],
)
def test_everything_else_in_json_becomes_text(value: Any, texts: list[str]) -> None:
    document = {"CallSid": "CA1", "Value": value, "To": ""}
    expected = [("CallSid", "CA1"), *(("Value", text) for text in texts), ("To", "")]
    assert json_verdict(json.dumps(document).encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b'["CallSid"]', id="list"),
        pytest.param(b'"CallSid"', id="text"),
        pytest.param(b'{"CallSid": "CA1"', id="cut"),
        pytest.param(b'{"CallSid": "CA1"} {}', id="more than one"),
        pytest.param(b"CallSid=CA1", id="form"),
        pytest.param(b'{"CallSid": "\xff"}', id="not UTF-8"),
        pytest.param('{"CallSid": "CA1"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"Body": "\\ud83d"}', id="half a surrogate pair"),
        pytest.param(b'{"\\ud83d": ""}', id="half a surrogate pair in a name"),
        pytest.param(b'{"a": ["\\ud83d", 1]}', id="half a surrogate pair within"),
        pytest.param(b'{"a": NaN}', id="not a number"),
        pytest.param(b'{"a": [1e999]}', id="number without an end"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="number too long"),
        pytest.param(b'{"a": ' * 100_000, id="too deep"),
    ],
)
def test_signed_or_not_what_is_no_json_object_is_unsigned(body: bytes) -> None:
    assert json_verdict(body) == "unsigned"


any_text = st.text(st.characters(), max_size=40)  # half surrogate pairs included
request_lines = st.one_of(
    any_text,
    st.text("/?&=#:@%[]0123456789abSHAy.-", max_size=40).map("/{}".format),
    st.lists(st.sampled_from(["http", "://", *"/?#[]@:h", "bodySHA256=", "&"]), max_size=9).map("".join),
)
signatures = st.none() | any_text | st.just(SIGNATURE)
namings = st.none() | any_text | st.just(NAMING_KEY)
mimetypes = st.sampled_from([FORM, JSON]) | any_text


@pytest.mark.parametrize(
    "host", [HOST, HOST + ":8443", HOST + "/ringback", "http://127.0.0.1:8080", "http://[::1]:1"]
)
@given(raw_uri=request_lines, body=st.binary(max_size=200), signature=signatures, naming=namings, mimetype=mimetypes)
@example(raw_uri="/?bodySHA256=\ud800", body=b"", signature=SIGNATURE, naming=None, mimetype=JSON)
def test_nothing_else_than_unsigned_comes_of_anything(
    host: str, raw_uri: str, body: bytes, signature: str | None, naming: str | None, mimetype: str
) -> None:
    checked = check(host, shared_keys=[KEY])
    for target in (raw_uri, path_and_query(raw_uri)):
        assert verdict(checked, target, body, signature, naming=naming, mimetype=mimetype) == "unsigned"


half_pairs = any_text.map(lambda text: json.dumps({text: [text]}).encode())


@given(st.binary(max_size=60) | half_pairs)
def test_what_is_read_of_signed_json_is_text(body: bytes) -> None:
    read = json_verdict(body)
    texts = [] if isinstance(read, str) else [text for pair in read for text in pair]
    assert [text.encode().decode() for text in texts] == texts


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


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=9)), max_size=8), st.sampled_from(["12345", "ž"]))
def test_a_form_is_signed_as_twilio_s_own_library_signs_it(params: Params, token: str) -> None:
    expected = RequestValidator(token).compute_signature(HOST + TARGET, MultiDict(params))
    checked = SignatureCheck(HOST, ACCOUNT, (token,))
    body = urlencode(params).encode()
    assert checked.verify(TARGET, body, {"X-Twilio-Signature": expected}, FORM) == params


@given(st.binary(max_size=60) | st.text("&=+%aé0F", max_size=30).map(str.encode))
def test_a_form_is_read_as_the_standard_library_reads_it(body: bytes) -> None:
    """Ours is quicker; a caller waits for it."""
    checked = SignatureCheck(HOST, ACCOUNT, ("12345",))
    try:
        text = body.decode("ascii")
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeError:
        assert verdict(checked, TARGET, body, SIGNATURE) == "unsigned"
        return
    signature = RequestValidator("12345").compute_signature(HOST + TARGET, MultiDict(expected))
    assert checked.verify(TARGET, body, {"X-Twilio-Signature": signature}, FORM) == expected
