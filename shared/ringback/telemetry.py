"""Structured logs: one JSON object a line on stderr, without a caller's number or a secret.

Redaction is a last resort, by pattern: code logs ids, codes and counts, never what a caller said or is.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import Processor

PHONE = re.compile(r"\+\d{7,15}")
FRAMES = 8
SECRET_KEYS = re.compile(r"token|secret|password|signature|authorization", re.IGNORECASE)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return _without_secrets(event)


def _without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: "[redacted]" if SECRET_KEYS.search(str(key)) else _masked(value) for key, value in values.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return PHONE.sub(lambda match: f"{match.group()[:2]}***{match.group()[-4:]}", value)
    if isinstance(value, dict):
        return _without_secrets(value)
    if isinstance(value, list | tuple):
        return [_masked(part) for part in value]
    return value


def without_exception_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as its class and the places it passed; its text may hold a document or a request."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        event["exception"] = type(error).__name__
        event["trace"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return event


SHARED_PROCESSORS: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    without_exception_text,
)


def configure_logging(level: int = logging.INFO) -> None:
    """To be called once, by the program's entry point. Libraries' records come out the same way."""
    structlog.configure(
        processors=[*SHARED_PROCESSORS, redact, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED_PROCESSORS,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # A queue of requests is what a burst makes; the latency says whether it matters.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
