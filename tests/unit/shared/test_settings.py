"""Settings: what is accepted, and one message that names everything that is not."""

from pathlib import Path

import pytest

from ringback.errors import InvalidSettings
from ringback.settings import SharedKey, load_settings, sample_config

CONFIG = """
[businesses.{key}]
name = "{name}"
numbers = ["{number}"]
timezone = "Europe/Prague"
"""


def business(key: str, number: str = "+15550001111", name: str = "Some Business", more: str = "") -> str:
    return CONFIG.format(key=key, number=number, name=name) + more


def refusal(environ: dict[str, str], *required: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        load_settings(environ, require=required)
    return refused.value.message


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "businesses.toml"


def test_nothing_set_means_the_defaults_and_the_sample() -> None:
    settings = load_settings({})
    assert (settings.port, settings.data, settings.public_url) == (8080, Path("var"), "http://127.0.0.1:8080")
    assert (settings.mongo_url, settings.bus_url, settings.secret_key) == (None, None, None)
    assert settings.twilio_auth_tokens == ()
    assert list(settings.businesses) == ["demo"]


def test_the_public_url_follows_the_port() -> None:
    assert load_settings({"RINGBACK_PORT": "9001"}).public_url == "http://127.0.0.1:9001"


def test_the_public_url_loses_its_trailing_slash() -> None:
    assert load_settings({"RINGBACK_PUBLIC_URL": "https://x.example/r/"}).public_url == "https://x.example/r"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"RINGBACK_PORT": "", "RINGBACK_PUBLIC_URL": ""}).port == 8080


def test_one_message_names_every_problem(tmp_path: Path, config: Path) -> None:
    config.write_text("this is = not = toml")
    message = refusal(
        {
            "RINGBACK_PORT": "eighty",
            "RINGBACK_PUBLIC_URL": "ring.example",
            "RINGBACK_SECRET_KEY": "short",
            "TWILIO_AUTH_TOKEN_FILE": str(tmp_path / "absent"),
            "RINGBACK_CONFIG": str(config),
        },
        "RINGBACK_MONGO_URL",
        "TWILIO_ACCOUNT_SID",
    )
    for name in (
        "RINGBACK_PORT",
        "RINGBACK_PUBLIC_URL",
        "RINGBACK_SECRET_KEY",
        "TWILIO_AUTH_TOKEN_FILE",
        "RINGBACK_CONFIG",
        "RINGBACK_MONGO_URL: Missing.",
        "TWILIO_ACCOUNT_SID: Missing.",
    ):
        assert f"\n  {name}" in message


def test_a_refused_secret_is_not_repeated_in_the_message() -> None:
    assert "hunter2" not in refusal({"RINGBACK_SECRET_KEY": "hunter2"})


@pytest.mark.parametrize(
    "address",
    [
        "ring.example",
        "ftp://ring.example",
        "https://",
        "https://ring.example/?a=b",
        "https://ring.example/#a",
        "https://[::1",
        "https://ring.example:99999",
        "https://ring.example:port",
    ],
)
@pytest.mark.parametrize("name", ["RINGBACK_PUBLIC_URL", "TWILIO_API_BASE_URL"])
def test_what_is_no_web_address_is_refused(name: str, address: str) -> None:
    assert f"{name}: " in refusal({name: address})


@pytest.mark.parametrize("url", ["redis://x", "localhost:5672", "xamqp://x", "http://x"])
def test_a_bus_that_nobody_speaks_to_is_refused(url: str) -> None:
    assert "RINGBACK_BUS_URL: " in refusal({"RINGBACK_BUS_URL": url})


@pytest.mark.parametrize("url", ["amqp://x", "amqps://x:5671/v", "mongodb://x/db", "mongodb+srv://x"])
def test_a_bus_is_rabbitmq_or_the_embedded_one(url: str) -> None:
    assert load_settings({"RINGBACK_BUS_URL": url}).bus_url == url


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8080.5", "http"])
def test_what_is_no_port_is_refused(port: str) -> None:
    assert "RINGBACK_PORT: " in refusal({"RINGBACK_PORT": port})


def test_a_secret_is_read_from_a_file_and_trimmed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32 + "\n")
    assert load_settings({"RINGBACK_SECRET_KEY_FILE": str(tmp_path / "key")}).secret_key == "k" * 32


def test_a_required_setting_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("mongodb://db")
    environ = {"RINGBACK_MONGO_URL_FILE": str(tmp_path / "url")}
    assert load_settings(environ, require=("RINGBACK_MONGO_URL",)).mongo_url == "mongodb://db"


@pytest.mark.parametrize("content", ["", "\n"])
def test_a_required_setting_is_missing_when_its_file_is_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    environ = {"TWILIO_AUTH_TOKEN_FILE": str(tmp_path / "token")}
    assert "TWILIO_AUTH_TOKEN" in refusal(environ, "TWILIO_AUTH_TOKEN")


@pytest.mark.parametrize("tokens", [",", " , ", "   "])
def test_a_required_token_list_without_a_token_is_missing(tokens: str) -> None:
    assert "TWILIO_AUTH_TOKEN" in refusal({"TWILIO_AUTH_TOKEN": tokens}, "TWILIO_AUTH_TOKEN")


def test_a_secret_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    assert "RINGBACK_SECRET_KEY_FILE" in refusal({"RINGBACK_SECRET_KEY_FILE": str(tmp_path / "key")})


def test_tokens_are_a_list_so_that_they_can_be_rotated() -> None:
    settings = load_settings({"TWILIO_AUTH_TOKEN": " current, next ,,"})
    assert settings.twilio_auth_tokens == ("current", "next")


def test_no_shared_key_is_needed() -> None:
    assert load_settings({"TWILIO_SHARED_KEYS": ""}).twilio_shared_keys == ()


@pytest.mark.parametrize(
    "text", ["one:HMAC_SHA1:s1,two:HMAC_SHA256:s:2=", " one:HMAC_SHA1:s1 ,, two:HMAC_SHA256:s:2= ,\n"]
)
def test_shared_keys_are_a_list_of_id_algorithm_and_secret(text: str) -> None:
    keys = (SharedKey("one", "HMAC_SHA1", "s1"), SharedKey("two", "HMAC_SHA256", "s:2="))
    assert load_settings({"TWILIO_SHARED_KEYS": text}).twilio_shared_keys == keys


def test_shared_keys_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("one:HMAC_SHA256:s1,\ntwo:HMAC_SHA256:s2\n")
    settings = load_settings({"TWILIO_SHARED_KEYS_FILE": str(tmp_path / "keys")})
    assert [(key.id, key.secret) for key in settings.twilio_shared_keys] == [("one", "s1"), ("two", "s2")]


@pytest.mark.parametrize(
    "malformed",
    [
        "hunter2",
        "HMAC_SHA256:hunter2",
        "one:hunter2",
        "one::hunter2",
        ":HMAC_SHA256:hunter2",
        "one:HMAC_SHA256:",
        "one:HMAC_MD5:hunter2",
        "one:hmac_sha256:hunter2",
        "one:HMAC_SHA256 :hunter2",
        "one:HMAC_SHA256: hunter2",
        "one:HMAC_SHA256:hunter2 hunter2",
        "o ne:HMAC_SHA256:hunter2",
    ],
)
def test_a_malformed_shared_key_is_named_by_its_place_only(malformed: str) -> None:
    message = refusal({"TWILIO_SHARED_KEYS": f"zero:HMAC_SHA1:swordfish,{malformed}"})
    assert "TWILIO_SHARED_KEYS: " in message
    assert "number 2." in message
    assert "hunter2" not in message
    assert "swordfish" not in message


def test_a_shared_keys_id_is_used_once() -> None:
    message = refusal({"TWILIO_SHARED_KEYS": "one:HMAC_SHA1:hunter2,one:HMAC_SHA256:swordfish"})
    assert "TWILIO_SHARED_KEYS: Two keys have the same id." in message
    assert "hunter2" not in message
    assert "swordfish" not in message


@pytest.mark.parametrize(
    ("environ", "known"),
    [
        ({}, False),
        ({"TWILIO_AUTH_TOKEN": "token"}, False),
        ({"TWILIO_ACCOUNT_SID": "AC1"}, True),
        ({"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_ACCOUNT_SID_GENERATED": "yes"}, False),
        ({"TWILIO_API_BASE_URL": "http://127.0.0.1:4010"}, True),
        (
            {
                "TWILIO_ACCOUNT_SID": "AC1",
                "TWILIO_ACCOUNT_SID_GENERATED": "yes",
                "TWILIO_API_BASE_URL": "http://127.0.0.1:4010",
            },
            True,
        ),
    ],
)
def test_an_account_is_known_that_was_set_by_hand_or_whose_address_is(environ: dict[str, str], known: bool) -> None:
    assert load_settings(environ).twilio_account_known is known


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = load_settings(
        {
            "TWILIO_AUTH_TOKEN": "tok-1,tok-2",
            "TWILIO_SHARED_KEYS": "one:HMAC_SHA256:shared-1",
            "RINGBACK_SECRET_KEY": "k" * 32,
        }
    )
    assert "tok-" not in repr(settings)
    assert "twilio_shared_keys" not in repr(settings)
    assert "shared-1" not in repr(settings.twilio_shared_keys)
    assert "kkk" not in repr(settings)


def test_the_sample_config_loads_and_is_the_documented_demo() -> None:
    demo = load_settings({}).businesses["demo"]
    assert demo.name == "Bright Smile Dental"
    assert demo.numbers == ("+15558675310",)
    assert demo.forward_to == ("+15551230001",)
    assert (demo.country, demo.timezone.key, demo.currency) == ("US", "America/New_York", "USD")
    assert (demo.ring_seconds, demo.voicemail, demo.hours) == (18, True, None)
    assert (demo.text_back.delay_seconds, demo.text_back.once_per_hours) == (60, 24)
    assert (demo.segments.vip_appointments, demo.segments.inactive_months) == (10, 6)


def test_a_business_is_found_by_the_number_that_was_dialled() -> None:
    settings = load_settings({})
    assert settings.business_of("+15558675310") is settings.businesses["demo"]
    assert settings.business_of("+15550000000") is None
    assert settings.business_of("") is None


def test_a_config_of_ones_own_replaces_the_sample(config: Path) -> None:
    config.write_text(business("praha") + business("brno", "+15550002222"))
    assert sorted(load_settings({"RINGBACK_CONFIG": str(config)}).businesses) == ["brno", "praha"]


def test_a_number_of_two_businesses_is_refused_and_named(config: Path) -> None:
    config.write_text(business("one") + business("two"))
    assert "+15550001111" in refusal({"RINGBACK_CONFIG": str(config)})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[businesses]", id="no business"),
        pytest.param("businesses = 3", id="not a table"),
        pytest.param("[businesses.demo]\nname = 'x'", id="fields missing"),
        pytest.param("= = =", id="not TOML"),
        pytest.param(sample_config() + "[other]\nx = 1", id="unknown table"),
        pytest.param(sample_config().replace("ring_seconds", "ring_second"), id="misspelt setting"),
        pytest.param(business("demo", number="5550001111"), id="number not E.164"),
        pytest.param(business("demo", number="+1555000111\N{ARABIC-INDIC DIGIT ONE}"), id="number in other digits"),
        pytest.param(business("demo", number="+15550001111\\n"), id="number with a line break"),
        pytest.param(business('"Demo"'), id="key in capitals"),
        pytest.param(business('"demo dental!"'), id="key with a blank"),
        pytest.param(business('"demo\\n"'), id="key with a line break"),
        pytest.param(business("demo", name=""), id="no name"),
        pytest.param(business("demo", more='country = "Germany"'), id="no country code"),
        pytest.param(business("demo", more='currency = "usd"'), id="no currency code"),
        pytest.param(business("demo", more='review_url = "javascript:alert(1)"'), id="no web address"),
        pytest.param(business("demo", more="ring_seconds = 1000"), id="rings too long"),
        pytest.param(business("demo").replace("Europe/Prague", "Europe/Praha"), id="no time zone"),
    ],
)
def test_a_malformed_config_is_refused_by_name(config: Path, text: str) -> None:
    config.write_text(text)
    assert "RINGBACK_CONFIG: " in refusal({"RINGBACK_CONFIG": str(config)})


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "RINGBACK_CONFIG" in refusal({"RINGBACK_CONFIG": str(tmp_path)})


def test_a_config_that_is_no_text_is_named(config: Path) -> None:
    config.write_bytes(b'[businesses.demo]\nname = "Z\xfcrich"')
    assert "RINGBACK_CONFIG" in refusal({"RINGBACK_CONFIG": str(config)})


def test_a_number_is_found_as_whatsapp_writes_it() -> None:
    """Else a STOP that came that way would be nobody's."""
    settings = load_settings({})
    assert settings.business_of("whatsapp:+15558675310") is settings.businesses["demo"]
    assert settings.business_of("whatsapp:+15550009999") is None
