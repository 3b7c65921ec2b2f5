"""Field types that the events share."""

from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from ringback.clock import rfc3339, whole_milliseconds


class EventData(Schema):
    """The `data` of an event; unknown fields are ignored, so that a newer producer breaks nobody."""

    class Meta:
        unknown = EXCLUDE


class Timestamp(fields.AwareDateTime):
    """RFC 3339 UTC on the wire, an aware datetime of whole milliseconds in memory, as it is stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", default_timezone=UTC, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **kwargs)
        try:
            return whole_milliseconds(moment.astimezone(UTC))
        except OverflowError as error:
            raise ValidationError("Out of range.") from error

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else rfc3339(value)
