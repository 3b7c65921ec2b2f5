"""What another service knows of customers that it never sees: all from events."""

from dataclasses import dataclass, field
from typing import Any

from ringback.contracts.envelope import Event


@dataclass
class Mirror:
    """Fails on events that contradict what was told before."""

    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    appointments: dict[str, dict[str, Any]] = field(default_factory=dict)
    merged: set[str] = field(default_factory=set)
    segment_changes: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)

    def hear(self, event: Event) -> None:
        assert event.id not in self.ids
        self.ids.add(event.id)
        subject, _, verb = event.type.partition(".")
        if subject == "appointment":
            self._hear_appointment(event, verb)
        elif subject == "customer":
            assert event.subject not in self.deleted
            getattr(self, f"_hear_{verb}")(event.subject, event.data)

    def _hear_created(self, customer: str, data: dict[str, Any]) -> None:
        assert customer not in self.customers
        self.customers[customer] = {name: data[name] for name in ("name", "phone", "email")}

    def _hear_updated(self, customer: str, data: dict[str, Any]) -> None:
        self.customers[customer] |= data["changed"]

    def _hear_segment_changed(self, customer: str, data: dict[str, Any]) -> None:
        """It comes after the update that tells the same; `previous` is what the one before it led to."""
        known = self.customers[customer]
        assert data["previous"] == known.get("last_segment", data["previous"])
        assert data["current"] == known["segment"] != data["previous"]
        known["last_segment"] = data["current"]
        self.segment_changes[customer] = self.segment_changes.get(customer, 0) + 1

    def _hear_merged(self, customer: str, data: dict[str, Any]) -> None:
        assert set(data["phones"]) <= set(self.customers[customer].get("phones", ()))
        self.merged.add(data["other_id"])

    def _hear_unmerged(self, customer: str, data: dict[str, Any]) -> None:
        """The other was told in full just before."""
        other = self.customers[data["other_id"]]
        assert data["phones"] == other["phones"]
        other["last_segment"] = other["segment"]
        self.merged.remove(data["other_id"])
        assert customer not in self.merged

    def _hear_deleted(self, customer: str, _data: dict[str, Any]) -> None:
        del self.customers[customer]
        self.merged.discard(customer)
        self.segment_changes.pop(customer, None)
        self.deleted.add(customer)

    def _hear_appointment(self, event: Event, status: str) -> None:
        known = {name: event.data[name] for name in ("starts_at", "service", "price", "currency")}
        self.appointments[event.data["appointment_id"]] = {**known, "status": status}
