"""The errors that Ringback's code raises.

Each carries a stable `code` that clients may rely on and a message for people. Two tables alone say what an
error leads to: `ringback.web.problems` turns it into an HTTP answer, `ringback.bus.verdict` into retry, dead
letter or park.
"""

import traceback
from collections.abc import Mapping, Sequence

FieldErrors = Mapping[str, Sequence[str]]


class RingbackError(Exception):
    """Base of all; `code` is part of the public contract."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Invalid(RingbackError):
    """The input breaks a rule; `errors` names the fields."""

    code = "invalid"

    def __init__(self, message: str, *, code: str | None = None, errors: FieldErrors | None = None) -> None:
        super().__init__(message, code=code)
        self.errors = dict(errors or {})


class Unauthenticated(RingbackError):
    code = "unauthenticated"


class Forbidden(RingbackError):
    code = "forbidden"


class NotFound(RingbackError):
    """Not there, or another business's: callers cannot tell which."""

    code = "not_found"


class TooManyRequests(RingbackError):
    """Asked too often: to be asked again later."""

    code = "too_many_requests"


class Conflict(RingbackError):
    """What is there stands in the way; `extra` is told with it, such as the id of what is there."""

    code = "conflict"

    def __init__(self, message: str, *, code: str | None = None, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(message, code=code)
        self.extra = dict(extra or {})


class PreconditionFailed(RingbackError):
    """It is not, or no longer, as the caller made it a condition."""

    code = "precondition_failed"


class Permanent(RingbackError):
    """Trying again cannot help: the event goes to the dead letters at once."""

    code = "permanent"


class MalformedEvent(Permanent):
    """The message is not an event of the catalogue."""

    code = "malformed_event"


class UnknownVersion(RingbackError):
    """The event's major `dataversion` is newer than this code: parked, never guessed."""

    code = "unknown_version"


class Transient(RingbackError):
    """Trying again later may help."""

    code = "transient"


class ConcurrentUpdate(Transient):
    """Somebody else changed a document meanwhile, or the same event ran elsewhere: load again and repeat."""

    code = "concurrent_update"


class StoreUnavailable(Transient):
    """MongoDB did not answer in time; the outcome of a write is unknown."""

    code = "store_unavailable"


class BusUnavailable(Transient):
    """The broker did not confirm in time; the outcome of a publish is unknown."""

    code = "bus_unavailable"


class UpstreamUnavailable(Transient):
    """Another party's service did not answer, or not in a way that can be used."""

    code = "upstream_unavailable"


class UpstreamRefused(RingbackError):
    """Another party's service does not take our credentials, or not this request: a person has to look."""

    code = "upstream_refused"


class InvalidSettings(RingbackError):
    """One message that names every missing or malformed setting."""

    code = "invalid_settings"


def error_name(error: Exception) -> str:
    """What a log may say of an error: its stable code, or its class (never its text, which may hold data)."""
    return error.code if isinstance(error, RingbackError) else type(error).__name__


def describe(error: Exception) -> str:
    """The reason for people. Of an unforeseen error only class and place: its text may hold a caller's data."""
    if isinstance(error, RingbackError):
        return error.message
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
