"""Users, sessions and tries in memory: as much of MongoDB's collections as customer/user_store.py asks for."""

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import argon2
from pymongo.errors import DuplicateKeyError

from customer.users import Users
from ringback.clock import Clock
from ringback.seals import seal_with
from ringback.store.database import Database
from tests.unit.fakes import SECRET, Document, MemoryDatabase, matches

# Argon2 at its cheapest: what is tested is not how hard it is.
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class UserCollection:
    def __init__(self, documents: dict[str, Document]) -> None:
        self._documents = documents

    def insert_one(self, document: Document) -> None:
        claimed = document.get("first") and any(
            one.get("first") and one["business"] == document["business"] for one in self._documents.values()
        )
        if document["_id"] in self._documents or claimed:
            raise DuplicateKeyError("taken", 11000)
        self._documents[document["_id"]] = copy.deepcopy(document)

    def find_one(self, query: Mapping[str, Any]) -> Document | None:
        return copy.deepcopy(next(iter(self._found(query)), None))

    def find(self) -> "UserCollection":
        return self

    def sort(self, _keys: Any) -> list[Document]:
        return sorted(self._documents.values(), key=lambda one: (one["business"], one["_id"]))

    def update_one(self, query: Mapping[str, Any], change: Mapping[str, Any]) -> SimpleNamespace:
        found = self._found(query)
        for document in found:
            self._change(document, change)
        return SimpleNamespace(matched_count=len(found))

    def find_one_and_update(self, query: Mapping[str, Any], change: Mapping[str, Any], **_: Any) -> Document:
        document = self._documents.setdefault(query["_id"], {"_id": query["_id"]})
        self._change(document, change)
        return copy.deepcopy(document)

    def delete_one(self, query: Mapping[str, Any]) -> None:
        self.delete_many(query)

    def delete_many(self, query: Mapping[str, Any]) -> None:
        for document in self._found(query):
            del self._documents[document["_id"]]

    def _found(self, query: Mapping[str, Any]) -> list[Document]:
        return [document for document in self._documents.values() if matches(document, query)]

    def _change(self, document: Document, change: Mapping[str, Any]) -> None:
        document.update(change.get("$set", {}))
        for name, value in change.get("$max", {}).items():
            document[name] = max(document[name], value)
        for name, value in change.get("$inc", {}).items():
            document[name] = document.get(name, 0) + value


class UserDatabase(MemoryDatabase):
    def __getitem__(self, name: str) -> Any:
        return UserCollection(self.collections.setdefault(name, {}))

    def ping(self) -> None:
        """What readiness asks."""


def users_in_memory(clock: Clock, database: UserDatabase | None = None) -> Users:
    return Users(cast(Database, database or UserDatabase()), clock, seal_with(SECRET), CHEAP)
