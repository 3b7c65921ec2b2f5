"""How pages write times, money and numbers: in the business's zone, currency and country.

Words and dates are English; the country decides what a date or a price looks like (Unicode CLDR, by Babel).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_currency, format_decimal, get_currency_precision
from phonenumbers import NumberParseException, PhoneNumberFormat

from ringback.businesses import Business

NOTHING = "\N{EN DASH}"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Formats:
    """What one business's pages write. Times are aware datetimes or RFC 3339 texts, money is in minor units."""

    business: Business
    now: datetime

    @property
    def locale(self) -> Locale:
        return locale_of(self.business.country)

    def local(self, value: str | datetime) -> datetime:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(self.business.timezone)

    def time(self, value: str | datetime | None) -> str:
        """The day and the time of day, the day by name when it is near."""
        if not value:
            return NOTHING
        moment = self.local(value)
        clock = format_time(moment, "short", locale=self.locale, tzinfo=self.business.timezone)
        return f"{self._day(moment)}, {clock}"

    def date(self, value: str | datetime | None) -> str:
        return self._day(self.local(value)) if value else NOTHING

    def full(self, value: str | datetime | None) -> str:
        """In full, for who points at it."""
        if not value:
            return NOTHING
        return format_datetime(self.local(value), "full", tzinfo=self.business.timezone, locale=self.locale)

    def input_time(self, value: str | datetime | None) -> str:
        """As a field of type datetime-local has it (HTML Standard, local date and time)."""
        return self.local(value).strftime("%Y-%m-%dT%H:%M") if value else ""

    def ago(self, value: str | datetime | None) -> str:
        if not value:
            return NOTHING
        since = self.local(value) - self.now
        if abs(since) < MINUTE:
            return "just now"
        return format_timedelta(since, add_direction=True, locale=self.locale, threshold=1.2)

    def duration(self, seconds: float | None) -> str:
        """The greatest one or two units: `3 min 5 s`, `2 days 4 h`."""
        if seconds is None:
            return NOTHING
        parts = [(count, unit) for count, unit in zip(_split(max(0, int(seconds))), UNITS, strict=True) if count]
        return " ".join(f"{count} {_plural(unit, count)}" for count, unit in parts[:2]) or "0 s"

    def money(self, minor: int | None, currency: str | None = None) -> str:
        if minor is None:
            return NOTHING
        code = currency or self.business.currency
        return format_currency(_major(minor, code), code, locale=self.locale)

    def input_money(self, minor: int | None, currency: str | None = None) -> str:
        if minor is None:
            return ""
        return f"{_major(minor, currency or self.business.currency):f}"

    def number(self, value: float | None) -> str:
        return NOTHING if value is None else format_decimal(value, locale=self.locale)

    def share(self, value: float | None) -> str:
        return NOTHING if value is None else f"{round(value * 100)} %"

    def phone(self, number: str | None) -> str:
        """As people of the business's country write it; what is no number as it came."""
        if not number:
            return NOTHING
        try:
            parsed = phonenumbers.parse(number, self.business.country)
        except NumberParseException:
            return number
        at_home = parsed.country_code == phonenumbers.country_code_for_region(self.business.country)
        style = PhoneNumberFormat.NATIONAL if at_home else PhoneNumberFormat.INTERNATIONAL
        return phonenumbers.format_number(parsed, style)

    def _day(self, moment: datetime) -> str:
        today = self.local(self.now).date()
        near = {today: "Today", today - timedelta(days=1): "Yesterday", today + timedelta(days=1): "Tomorrow"}
        if moment.date() in near:
            return near[moment.date()]
        pattern = "EEE d MMM" if moment.year == today.year else "d MMM y"
        return format_date(moment, pattern, locale=self.locale)


def locale_of(country: str) -> Locale:
    """English as the country writes dates and prices."""
    try:
        return Locale("en", country)
    except UnknownLocaleError:
        return Locale("en")


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-get_currency_precision(currency))


UNITS = ("day", "h", "min", "s")


def _split(seconds: int) -> tuple[int, int, int, int]:
    minutes, left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return days, hours, minutes, left


def _plural(unit: str, count: int) -> str:
    return "days" if unit == "day" and count != 1 else unit


FILTERS = (
    "time",
    "date",
    "full",
    "ago",
    "duration",
    "money",
    "number",
    "share",
    "phone",
    "input_time",
    "input_money",
)


def filters_by(formats: Callable[[], Formats]) -> Mapping[str, Callable[..., str]]:
    """Jinja filters of these names that write as the business of the request at hand does."""

    def named(name: str) -> Callable[..., str]:
        def write(*args: Any) -> str:
            text: str = getattr(formats(), name)(*args)
            return text

        return write

    return {name: named(name) for name in FILTERS}
