"""Which template shows an endpoint's JSON, and what is said once a form was taken."""

from collections.abc import Mapping, Sequence
from typing import Any

from customer.schemas import MOST_PHONES, SOURCES, TIMELINE_KINDS
from customer.segments import SEGMENTS
from ringback.contracts.leads import STAGES
from ringback.web.pages import Done, Page

Entry = Mapping[str, Any]

# What is heard or read of a call is shown with it, not beside it.
OF_A_CALL = frozenset({"voicemail", "transcript"})


def listed(_document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"segments": SEGMENTS, "sources": SOURCES, "stages": STAGES}


def profile(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The history as it is looked at: a call with its voicemails and transcripts."""
    shown = history(document["timeline"])
    return {"history": shown, "kinds": TIMELINE_KINDS, "stages": STAGES, "most_phones": MOST_PHONES}


def history(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries in their order, those of a call that is among them within it."""
    calls = {entry["call_sid"]: dict(entry) | {"heard": []} for entry in entries if entry["kind"] == "call"}
    rows = []
    for entry in entries:
        call = calls.get(entry.get("call_sid"))
        if call is None:
            rows.append(dict(entry))
        elif entry["kind"] in OF_A_CALL:
            call["heard"].append(entry)
        else:
            rows.append(call)
    return rows


def profile_of(document: Mapping[str, Any]) -> str:
    return f"/customers/{document['id']}"


PAGES: Mapping[str, Page] = {
    "home.show": Page("home.html"),
    "home.show_settings": Page("settings.html"),
    "parts.customers": Page("part_customers.html"),
    "customers.list_customers": Page("customers.html", listed),
    "customers.begin": Page("customer_create.html"),
    "customers.show": Page("customer.html", profile),
    "customers.suggest": Page("suggestions.html"),
    "customers.merge_candidates": Page("merge.html"),
    "transfer.begin_import": Page("import.html", lambda _: {"report": None}),
}
FORMS: Mapping[str, Done] = {
    "customers.create": Done("The customer is entered.", profile_of),
    "customers.update": Done("Saved."),
    "customers.delete": Done("The customer is erased.", lambda _: "/customers"),
    "customers.add_note": Done("The note is on the timeline."),
    "customers.book": Done("The appointment is booked."),
    "customers.change_appointment": Done("The appointment is changed."),
    "customers.merge": Done("They are one customer now. Undo it on the timeline.", profile_of),
    "customers.unmerge": Done("They are two customers again."),
    "outreach.send_review_request": Done("A review is asked for."),
    "outreach.send_sms": Done("The text is on its way."),
}
