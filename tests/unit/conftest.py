"""Unit tests open no socket: what needs one is no unit test."""

from pathlib import Path

import pytest
import structlog
from hypothesis import settings

# The default renders tracebacks with all their locals: most of the time of a test in which something fails.
structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
# A busy machine is no failure.
settings.register_profile("ringback", deadline=None)
settings.load_profile("ringback")

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.disable_socket)
