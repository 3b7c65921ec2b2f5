"""Settings of single processes, as ops teams give them."""

import pytest

from ringback.errors import InvalidSettings
from ringback.settings import ALL, OWN, load_settings


def test_by_default_there_is_no_port_no_proxy_and_everything_is_declared() -> None:
    settings = load_settings({})
    assert (settings.health_port, settings.proxy_hops, settings.declares) == (None, 0, ALL)


def test_they_are_taken_from_the_environment() -> None:
    given = {"RINGBACK_HEALTH_PORT": "8080", "RINGBACK_PROXY_HOPS": "1", "RINGBACK_DECLARES": "own"}
    settings = load_settings(given)
    assert (settings.health_port, settings.proxy_hops, settings.declares) == (8080, 1, OWN)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RINGBACK_HEALTH_PORT", "0"),
        ("RINGBACK_HEALTH_PORT", "http"),
        ("RINGBACK_PROXY_HOPS", "-1"),
        ("RINGBACK_DECLARES", "none"),
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        load_settings({name: value})
