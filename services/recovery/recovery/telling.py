"""What the queue tells of an item: once that it opened, once for each way in which it turned out to be closed.

A late fact can change what was told already. Then

* an item whose first call turns out to be another one is not told as opened again;
* an item that ended otherwise than was told is told as closed again, with what counts now;
* items that turn out to be one are each told as closed when that one is;
* an item that never was one, because its call was answered after all, is told as closed: called back.

`told` of a ledger: {sid: the call by which the item was told, at, resolutions}.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from recovery.domain import CALLED_BACK, Episode, item_id_of
from recovery.ledger import Document
from ringback.contracts.envelope import new_event
from ringback.store.unit_of_work import UnitOfWork

Told = tuple[Episode, Document]
"""An episode and the item that it is."""


def tell(work: UnitOfWork, ledger: Document, found: Sequence[Told], customer_id: str | None) -> Document:
    """The ledger after its items were told of as far as they were not."""
    kept: list[Document] = []
    known = {one["sid"]: one for one in ledger["told"]}
    for episode, item in found:
        said = [known.pop(miss["sid"]) for miss in episode.misses if miss["sid"] in known]
        if not said:
            said = [_tell_opened(work, episode, item, customer_id)]
        kept += [_tell_closed(work, one, item, customer_id) for one in said]
    kept += _tell_gone(work, ledger, list(known.values()), customer_id)
    return {**ledger, "told": sorted(kept, key=lambda one: (one["at"], one["sid"]))}


def _tell_opened(work: UnitOfWork, episode: Episode, item: Document, customer_id: str | None) -> Document:
    told = {"sid": episode.misses[0]["sid"], "at": episode.opened_at, "resolutions": []}
    data = {**_about(item, told, customer_id), "at": episode.opened_at, "reason": item["reason"]}
    _emit(work, "missed_call.opened", item["business"], data | {"due_at": item["due_at"]}, ())
    return told


def _tell_closed(work: UnitOfWork, told: Document, item: Document, customer_id: str | None) -> Document:
    resolution = item["resolution"]
    if resolution is None or resolution in told["resolutions"]:
        return told
    data = {**_about(item, told, customer_id), "at": item["closed_at"], "resolution": resolution}
    _emit(work, "missed_call.closed", item["business"], data, (resolution,))
    return {**told, "resolutions": [*told["resolutions"], resolution]}


def _tell_gone(
    work: UnitOfWork, ledger: Document, gone: Sequence[Document], customer_id: str | None
) -> Iterator[Document]:
    """Of calls that were told as missed and are of no item."""
    item = {"business": ledger["business"], "caller": ledger["caller"], "attempts": 1, "resolution": CALLED_BACK}
    for one in gone:
        yield one if one["resolutions"] else _tell_closed(work, one, item | {"closed_at": one["at"]}, customer_id)


def _about(item: Document, told: Document, customer_id: str | None) -> dict[str, Any]:
    return {
        "missed_call_id": item_id_of(item["business"], told["sid"]),
        "phone": item["caller"],
        "customer_id": customer_id,
        "attempts": item["attempts"],
    }


def _emit(work: UnitOfWork, event_type: str, business: str, data: dict[str, Any], ways: tuple[str, ...]) -> None:
    item_id, at = data["missed_call_id"], data["at"]
    assert isinstance(at, datetime)
    work.emit(new_event(event_type, business=business, subject=item_id, time=at, data=data, cause=(item_id, *ways)))
