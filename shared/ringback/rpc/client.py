"""Look customers up from any service: docs/lookups.md."""

from typing import Any, Self

from ringback.rpc.caller import Caller
from ringback.rpc.codec import BY_ID, BY_PHONE, QUEUE, Question, decode_answer, encode_question


class LookupClient:
    """Thread-safe; make one a process and share it. It connects with the first lookup and reconnects by itself.

    Every lookup takes a deadline in seconds, and returns or raises within it: LookupRefused (the question breaks a
    rule), LookupUnavailable (nobody can answer now) or LookupTimedOut.
    """

    def __init__(self, amqp_url: str) -> None:
        self._caller = Caller(amqp_url, QUEUE, "lookup-client")

    def by_phone(self, business: str, phone: str, *, deadline: float) -> dict[str, Any] | None:
        """The customer with the number, in any usual writing; None when there is none."""
        return self._ask(Question(business, BY_PHONE, phone), deadline)

    def by_id(self, business: str, customer_id: str, *, deadline: float) -> dict[str, Any] | None:
        """The customer with the id; of one that was merged into another, that other one."""
        return self._ask(Question(business, BY_ID, customer_id), deadline)

    def close(self) -> None:
        """Idempotent; lookups under way raise LookupUnavailable."""
        self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, question: Question, deadline: float) -> dict[str, Any] | None:
        return decode_answer(self._caller.call(encode_question(question), deadline))
