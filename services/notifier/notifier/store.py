"""The notifier service's documents."""

from ringback.store.database import Indexes

INDEXES: Indexes = {}
