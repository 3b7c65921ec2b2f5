"""Texts with placeholders like `{business}`; a brace that is meant as one is written twice. Pure.

Checked when they are saved, filled in when they are sent, so that nobody ever gets a text with a hole in it.
"""

import string
from collections.abc import Collection, Mapping

# What can be filled into every text of a business: its name, and the customer's where one is known.
BUSINESS, NAME = "business", "name"
PLAIN = (BUSINESS, NAME)


class TemplateError(ValueError):
    """The template has unknown placeholders, or is malformed; the message says which."""


def check(template: str, known: Collection[str]) -> None:
    """Raises TemplateError unless each placeholder is a known name and nothing but that."""
    unknown = sorted(set(_placeholders(template)) - set(known))
    if unknown:
        names = ", ".join(f"{{{name}}}" for name in unknown)
        raise TemplateError(f"Unknown: {names}. Known: {', '.join(f'{{{name}}}' for name in known)}.")


def fill(template: str, values: Mapping[str, str]) -> str:
    """The text. A value that is empty leaves no double blank, nor one before a comma or stop."""
    filled = "".join(
        literal + ("" if name is None else values[name]) for literal, name, _, _ in string.Formatter().parse(template)
    )
    if all(values[name] for name in _placeholders(template)):
        return filled
    return _closed_up(filled)


def _placeholders(template: str) -> list[str]:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise TemplateError("A brace is open or closed without the other; write {{ for one.") from error
    if any(specification or conversion for _, _, specification, conversion in parts):
        raise TemplateError("Only plain names stand in braces, like {business}.")
    return [name for _, name, _, _ in parts if name is not None]


def _closed_up(text: str) -> str:
    lines = [" ".join(line.split()) for line in text.split("\n")]
    closed = "\n".join(lines)
    for mark in ",.!?;:":
        closed = closed.replace(f" {mark}", mark)
    return closed
