"""Secrets that an installation makes for itself."""

import stat
import threading
from pathlib import Path

import pytest

from ringback.errors import InvalidSettings
from ringback.secrets import GENERATED, with_generated_secrets, with_kept_secrets
from ringback.settings import generated_mark, load_settings


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"RINGBACK_DATA": str(tmp_path / "data")}


def test_secrets_are_made_once_and_kept(environ: dict[str, str]) -> None:
    first = with_generated_secrets(environ)
    assert with_generated_secrets(environ) == first
    assert set(first) - set(environ) == {*GENERATED, *map(generated_mark, GENERATED)}
    assert with_generated_secrets(first) == first


def test_what_is_made_is_good_enough_for_the_settings(environ: dict[str, str]) -> None:
    settings = load_settings(with_generated_secrets(environ), require=tuple(GENERATED))
    assert settings.twilio_account_sid is not None
    assert settings.twilio_account_sid.startswith("AC")
    assert len(settings.twilio_account_sid) == 34
    assert len(settings.twilio_auth_tokens) == 1
    assert len(settings.twilio_auth_tokens[0]) == 32


def test_another_installation_has_other_secrets(environ: dict[str, str], tmp_path: Path) -> None:
    other = with_generated_secrets({"RINGBACK_DATA": str(tmp_path / "other")})
    one = with_generated_secrets(environ)
    assert all(one[name] != other[name] for name in GENERATED)


def test_only_the_owner_can_read_them(environ: dict[str, str], tmp_path: Path) -> None:
    with_generated_secrets(environ)
    folder = tmp_path / "data" / "secrets"
    files = list(folder.iterdir())
    assert sorted(file.name for file in files) == sorted(name.lower() for name in GENERATED)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_given_wins_and_is_not_written(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sid").write_text("AC" + "2" * 32)
    given = environ | {"TWILIO_AUTH_TOKEN": "mine", "TWILIO_ACCOUNT_SID_FILE": str(tmp_path / "sid")}
    merged = with_generated_secrets(given)
    settings = load_settings(merged)
    assert settings.twilio_auth_tokens == ("mine",)
    assert settings.twilio_account_sid == "AC" + "2" * 32
    assert [file.name for file in (tmp_path / "data" / "secrets").iterdir()] == ["ringback_secret_key"]


def test_a_made_up_account_is_not_a_known_one(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sid").write_text("AC" + "2" * 32)
    account, token = {"TWILIO_ACCOUNT_SID": "AC" + "2" * 32}, {"TWILIO_AUTH_TOKEN": "t" * 32}
    made_up = with_generated_secrets(environ)
    half = with_generated_secrets(environ | account)
    given = with_generated_secrets(environ | account | token)
    from_a_file = with_generated_secrets(environ | token | {"TWILIO_ACCOUNT_SID_FILE": str(tmp_path / "sid")})
    again = with_generated_secrets(made_up)
    known = [load_settings(merged).twilio_account_known for merged in (made_up, half, given, from_a_file, again)]
    assert known == [False, False, True, True, False]


def test_an_empty_variable_is_not_a_given_one(environ: dict[str, str]) -> None:
    assert with_generated_secrets(environ | {"TWILIO_AUTH_TOKEN": ""})["TWILIO_AUTH_TOKEN"]


def test_of_many_that_start_at_once_one_decides(environ: dict[str, str]) -> None:
    barrier = threading.Barrier(8)
    made: list[dict[str, str]] = []
    errors: list[Exception] = []

    def start() -> None:
        barrier.wait()
        try:
            made.append(with_generated_secrets(environ))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(one == made[0] for one in made)


def test_a_command_beside_the_services_makes_up_no_secret(environ: dict[str, str]) -> None:
    """With a key of its own it would not recognise whom the services erased."""
    assert with_kept_secrets(environ) == environ
    with pytest.raises(InvalidSettings, match="RINGBACK_SECRET_KEY"):
        load_settings(with_kept_secrets(environ), require=("RINGBACK_SECRET_KEY",))
    assert with_kept_secrets(environ | {"RINGBACK_SECRET_KEY": "k" * 40})["RINGBACK_SECRET_KEY"] == "k" * 40
    made = with_generated_secrets(environ)
    assert with_kept_secrets(environ) == made
