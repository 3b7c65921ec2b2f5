"""Use cases: somebody is to be forgotten, and what was received of that person goes.

`customer.deleted` names numbers. From then on a call or text that began before the event is erased as soon as it is
folded, however late it comes; what was folded before is looked up by number and erased, a few at a time. All raw
requests go. What is left of a call is its document without a person, and marks what must not come back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from call_ingest import store
from call_ingest.documents import by_subject, call_document, is_message, put_aside, webhook_of, without_person
from call_ingest.domain import conclude
from call_ingest.erasing import SPOKEN, bare, together
from call_ingest.facts import Identity, Webhook
from ringback.clock import Clock
from ringback.contracts.envelope import Event
from ringback.seals import Seal, seal_for
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork

PURPOSE = b"ringback call-ingest seals 1"
# Raw requests that one transaction removes of one call.
MOST_REMOVED = 2000
# So long a worker that lost its lease may take to commit what it folded before the erasure was known.
LOOK_FOR = timedelta(minutes=1)


def seal_with(secret_key: str) -> Seal:
    return seal_for(PURPOSE, secret_key)


@dataclass(frozen=True, eq=False)
class RecordErasures:
    """Notes who is to be forgotten. Free of order: of two erasures of a number the later one counts."""

    seal: Seal
    clock: Clock

    def __call__(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        now = self.clock()
        keys = {
            event.id: [key_of(self.seal, event.business, phone) for phone in event.data["phones"]] for event in events
        }
        store.load_erased(work, [key for of_event in keys.values() for key in of_event])
        for event in events:
            for key in keys[event.id]:
                store.note_erased(work, key, event.time)
            if keys[event.id]:
                store.note_erasure(work, event, now, now + LOOK_FOR)


def key_of(seal: Seal, business: str, number: str) -> str:
    return seal(f"{business}:{number}")


def erased_among(work: UnitOfWork, begun: Mapping[str, tuple[datetime, Sequence[str]]]) -> set[str]:
    """Of these calls and texts, {SID: (when it began, keys of its people)}, those that began before an erasure."""
    before = store.load_erased(work, [key for _, keys in begun.values() for key in keys])
    return {sid for sid, (at, keys) in begun.items() if any(key in before and at <= before[key] for key in keys)}


def erase_all(work: UnitOfWork, sids: Sequence[str], now: datetime) -> None:
    """Erase these calls and texts."""
    requests = by_subject(store.load_subjects(work, sids))
    for sid in sids:
        erase(work, sid, requests.get(sid, []), now)


def erase(work: UnitOfWork, sid: str, requests: Sequence[Document], now: datetime) -> None:
    """Remove what was received of a call or text that has a document, and from that who it was.

    Of very many raw requests a part is left, which is removed the next time that it is folded or looked for.
    """
    # What names the person goes last: by that it is found again.
    some = sorted(requests, key=lambda request: request["kind"] not in SPOKEN)[:MOST_REMOVED]
    store.remove(work, some)
    whole = len(some) == len(requests)
    contact, call = work.get(store.CONTACTS, sid), work.get(store.CALLS, sid)
    if contact and whole:
        work.save(store.CONTACTS, {**contact, "numbers": [], "erased": True})
    if call:
        erased = _erased(call, requests, now)
        work.save(store.CALLS, erased if whole else {**erased, "due_at": now})


def _erased(call: Document, requests: Iterable[Document], now: datetime) -> Document:
    """Concluded from all that was ever heard of it, without who called: later webhooks still end it."""
    received = [webhook_of(request) for request in requests if not is_message(request)]
    heard = together([*(Webhook(**known) for known in call.get("heard", ())), *bare(call["_id"], received)])
    if not heard:
        return {**without_person(call), "due_at": None, "erased": True}
    conclusion = conclude(call["_id"], heard, _as_nobody, now)
    if conclusion.outbound or call["business"] is None:
        return {**put_aside(call), "erased": True, "heard": []}
    concluded = call_document(call, call["_id"], call["business"], conclusion, [], now)
    return {**without_person(concluded), "erased": True, "heard": [asdict(webhook) for webhook in heard]}


def _as_nobody(_caller_id: str) -> Identity:
    return "withheld", ""
