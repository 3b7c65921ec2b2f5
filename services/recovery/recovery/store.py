"""The recovery service's documents."""

from ringback.store.database import Indexes

INDEXES: Indexes = {}
