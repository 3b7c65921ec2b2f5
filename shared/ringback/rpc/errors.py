"""What a lookup may end with instead of an answer."""

from ringback.errors import RingbackError, Transient


class LookupRefused(RingbackError):
    """The question breaks a rule; `code` is the server's: `invalid`, `unknown_business`. Asking again cannot help."""

    code = "invalid"


class LookupUnavailable(Transient):
    """Nobody can answer now: no server, no broker, or (`store_unavailable`, `internal`) a server that cannot."""

    code = "lookup_unavailable"


class LookupTimedOut(Transient):
    """The deadline passed without an answer. Nothing will be answered later."""

    code = "lookup_timed_out"
