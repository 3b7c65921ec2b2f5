"""What a run did and how it was answered."""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from onebox.simulate.callers import WITHHELD
from onebox.simulate.faults import OUT_OF_ORDER
from onebox.simulate.model import Call, Conversation, Params, Planned
from onebox.simulate.sender import Answer


@dataclass(frozen=True)
class Summary:
    """`calls`, `scenarios`, `out_of_order` and `withheld` count calls, `distinct_callers` the numbers that called.

    `messages` counts texts, in and out, by their SIDs; `duplicates` webhooks that repeat another one; `oddities` what
    was unusual, by its name; `answers` webhooks by HTTP status or, where none came, by the name of the error.
    """

    calls: int
    scenarios: Mapping[str, int]
    messages: int
    oddities: Mapping[str, int]
    webhooks: int
    duplicates: int
    out_of_order: int
    distinct_callers: int
    withheld: int
    answers: Mapping[str, int]
    refused: int
    invalid_twiml: int
    elapsed_seconds: float
    webhooks_per_second: float
    p50_ms: float
    p99_ms: float

    @property
    def ok(self) -> bool:
        return not self.refused and not self.invalid_twiml


class Tally:
    """Adds up a run; not for several threads."""

    def __init__(self) -> None:
        self._scenarios: Counter[str] = Counter()
        self._oddities: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._callers: set[str] = set()
        self._seconds = array("d")

    def add(self, planned: Planned, answers: Iterable[Answer]) -> None:
        self._counts["duplicates"] += sum(step.copies for step in planned.steps) - len(_different(planned))
        self._oddities.update(planned.oddities)
        if isinstance(planned, Call):
            self._add_call(planned)
        else:
            self._add_conversation(planned)
        for answer in answers:
            self._add_answer(answer)

    def summary(self, elapsed: float) -> Summary:
        seconds = sorted(self._seconds)
        return Summary(
            calls=self._scenarios.total(),
            scenarios=dict(self._scenarios.most_common()),
            messages=self._counts["messages"],
            oddities=dict(sorted(self._oddities.items())),
            webhooks=len(seconds),
            duplicates=self._counts["duplicates"],
            out_of_order=self._counts["out_of_order"],
            distinct_callers=len(self._callers),
            withheld=self._counts["withheld"],
            answers=dict(sorted(self._answers.items())),
            refused=self._counts["refused"],
            invalid_twiml=self._counts["invalid_twiml"],
            elapsed_seconds=round(elapsed, 3),
            webhooks_per_second=round(len(seconds) / elapsed, 1) if elapsed else 0.0,
            p50_ms=_percentile_ms(seconds, 50),
            p99_ms=_percentile_ms(seconds, 99),
        )

    def _add_call(self, call: Call) -> None:
        self._scenarios[call.kind] += 1
        self._counts["out_of_order"] += not OUT_OF_ORDER.isdisjoint(call.faults)
        self._counts["withheld"] += call.caller_kind == WITHHELD
        if call.identity:
            self._callers.add(call.identity)

    def _add_conversation(self, conversation: Conversation) -> None:
        self._counts["messages"] += len({step.message_sid for step in conversation.steps})

    def _add_answer(self, answer: Answer) -> None:
        self._answers[answer.outcome] += 1
        self._counts["refused"] += not answer.accepted
        self._counts["invalid_twiml"] += not answer.valid_twiml
        self._seconds.append(answer.seconds)


def _different(planned: Planned) -> set[tuple[str, Params]]:
    return {(step.path, step.params) for step in planned.steps}


def as_json(summary: Summary, seed: int) -> str:
    return json.dumps({"ok": summary.ok, "seed": seed, **asdict(summary)})


def as_lines(summary: Summary, seed: int) -> Iterator[str]:
    yield f"{summary.calls:,} calls (seed {seed}): {_counted(summary.scenarios)}"
    yield (
        f"{summary.distinct_callers:,} distinct callers, {summary.withheld:,} calls withheld, "
        f"{summary.out_of_order:,} out of order"
    )
    odd = summary.oddities
    yield f"{summary.messages:,} texts, {sum(odd.values()):,} oddities of {len(odd):,} kinds"
    yield f"{summary.webhooks:,} webhooks, {summary.duplicates:,} of them duplicates"
    yield f"answers: {_counted(summary.answers)}"
    yield (
        f"{summary.elapsed_seconds:.1f} s, {summary.webhooks_per_second:,.0f} webhooks/s, "
        f"p50 {summary.p50_ms:.1f} ms, p99 {summary.p99_ms:.1f} ms"
    )
    if summary.refused:
        yield f"NOT ACCEPTED: {summary.refused:,} webhooks"
    if summary.invalid_twiml:
        yield f"NOT TwiML: {summary.invalid_twiml:,} answers"
    if summary.answers.get("403"):
        yield "403 means that the signature was refused: do --auth-token and --public-url match the server's?"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _percentile_ms(ordered: list[float], percent: int) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000, 2)
