"""What is left of a caller who was erased: figures without a person, and facts that came after. Pure."""

from datetime import datetime

from recovery.ledger import KEYS, Document, kept_where


def after(ledger: Document, until: datetime) -> Document:
    """The ledger with what happened later only."""
    for name in (*KEYS, "told"):
        ledger = kept_where(ledger, name, lambda fact: fact["at"] > until)
    return ledger


def is_empty(ledger: Document) -> bool:
    return not any(ledger[name] for name in KEYS)


def figures_of(item: Document) -> Document:
    """The item with what a summary needs, and nothing that says who it was."""
    gone = dict.fromkeys(("ledger", "phone", "nameless_id", "caller", "assignee", "note", "closed_by"))
    return {**item, **gone, "names": [], "calls": [], "texts": [], "history": [], "open": False, "erased": True}
