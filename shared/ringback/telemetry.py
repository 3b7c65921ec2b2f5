"""Structured logs: one JSON object a line on stderr, without a caller's number or a secret.

Redaction is a last resort, by pattern: code logs ids, codes and counts, never what a caller said or is.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

PHONE = re.compile(r"\+\d{7,15}")
SECRET_KEYS = re.compile(r"token|secret|password|signature|authorization", re.IGNORECASE)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = "[redacted]" if SECRET_KEYS.search(key) else _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return PHONE.sub(lambda match: f"{match.group()[:2]}***{match.group()[-4:]}", value)
    if isinstance(value, dict):
        return {key: _masked(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(part) for part in value]
    return value


SHARED_PROCESSORS: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
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
