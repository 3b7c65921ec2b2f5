"""Placeholders: known ones are filled in, anything else is refused before it is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.templates import TemplateError, check, fill

VALUES = {"business": "Bright Smile", "name": "Anna"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hi {name}, this is {business}.", "Hi Anna, this is Bright Smile."),
        ("No placeholder", "No placeholder"),
        ("{{name}} stays", "{name} stays"),
        ("{name}{name}", "AnnaAnna"),
        ("two  blanks stay", "two  blanks stay"),
    ],
)
def test_placeholders_are_filled_in(template: str, text: str) -> None:
    check(template, VALUES)
    assert fill(template, VALUES) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hi {name}, this is {business}.", "Hi, this is Bright Smile."),
        ("Hi {name}!\nBye {name} now", "Hi!\nBye now"),
    ],
)
def test_a_name_that_is_not_known_leaves_no_hole(template: str, text: str) -> None:
    assert fill(template, {**VALUES, "name": ""}) == text


@pytest.mark.parametrize(
    "template",
    ["{phone}", "{}", "{0}", "{name.__class__}", "{name[0]}", "{name!r}", "{name:>10}", "{name", "name}", "{ name }"],
)
def test_what_is_no_known_name_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        check(template, VALUES)


@given(st.text())
def test_a_template_is_either_refused_or_can_be_filled_in(template: str) -> None:
    try:
        check(template, VALUES)
    except TemplateError:
        return
    assert isinstance(fill(template, VALUES), str)


@given(st.text(), st.text())
def test_what_is_filled_in_is_no_template_itself(name: str, business: str) -> None:
    assert fill("{name}|{business}", {"name": name + "{x}", "business": business + "."}).startswith(f"{name}{{x}}|")
