"""One collection's documents as a batch changes them: saved, or removed, when the batch is done."""

from dataclasses import dataclass, field

from recovery import store
from ringback.store.mongo import Document
from ringback.store.unit_of_work import UnitOfWork


@dataclass
class Shelf:
    work: UnitOfWork
    collection: str
    _changed: dict[str, Document | None] = field(default_factory=dict)

    def get(self, document_id: str) -> Document | None:
        """A document that the unit of work loaded, as the batch left it."""
        if document_id in self._changed:
            return self._changed[document_id]
        return self.work.get(self.collection, document_id)

    def put(self, document: Document) -> None:
        self._changed[document["_id"]] = document

    def remove(self, document_id: str) -> None:
        self._changed[document_id] = None

    def changed(self) -> list[Document]:
        """What there is of all that was put."""
        return [document for document in self._changed.values() if document is not None]

    def save(self) -> None:
        """Hand over to the unit of work; once."""
        removed = [self.work.get(self.collection, key) for key, document in self._changed.items() if document is None]
        store.delete(self.work, self.collection, [document for document in removed if document is not None])
        for document in self.changed():
            before = self.work.get(self.collection, document["_id"])
            self.work.save(self.collection, document | ({"version": before["version"]} if before else {}))
