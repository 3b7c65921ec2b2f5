"""Which records make up one customer. Pure: groups change here, facts never do.

A root lists all records that are part of it, in `members`; a member keeps the list it had as a root, so that it can
leave with whom it brought.
"""

from collections.abc import Iterable

from customer.domain import Document


def joined(kept: Document, other: Document) -> Document:
    """The root `kept` with the root `other` and whom that had as its members."""
    return {**kept, "members": [*kept["members"], other["_id"], *other["members"]]}


def parted(kept: Document, other: Document) -> tuple[Document, Document]:
    """Two roots again: `kept` without its member `other`, and that with whom it brought."""
    return left_by({other["_id"], *other["members"]}, kept), {**other, "merged_into": None}


def left_by(leaving: Iterable[str], record: Document) -> Document:
    """A record that has these no longer among its members."""
    gone = frozenset(leaving)
    return {**record, "members": [member for member in record["members"] if member not in gone]}
