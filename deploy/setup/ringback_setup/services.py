"""The services, and what belongs to each."""

from importlib import import_module

from ringback.store.database import DEFAULT_NAME, Indexes

SERVICES = ("call-ingest", "customer", "pipeline", "recovery", "notifier")


def package_name(service: str) -> str:
    return service.replace("-", "_")


def database_name(service: str) -> str:
    """As `ringback.store.database.open_database` has it, with the default name in the address."""
    return f"{DEFAULT_NAME}_{package_name(service)}"


def indexes_of(service: str) -> Indexes:
    """Those that the service makes for itself when it starts."""
    indexes: Indexes = import_module(f"{package_name(service)}.wsgi").INDEXES
    return indexes
