"""A business's settings as the rules of its queue."""

from datetime import timedelta

from recovery.domain import Rules
from recovery.hours import Opening
from recovery.text_back import TextBackRules
from ringback.businesses import Business


def rules_of(business: Business) -> Rules:
    return Rules(
        opening=Opening(business.hours, business.timezone),
        respond_within=timedelta(minutes=business.missed_calls.respond_within_minutes),
        expire_after=timedelta(days=business.missed_calls.expire_after_days),
        text_back=TextBackRules(
            enabled=business.text_back.enabled,
            delay=timedelta(seconds=business.text_back.delay_seconds),
            window=timedelta(hours=business.text_back.once_per_hours),
        ),
    )


def is_ours(business: Business, phone: str | None) -> bool:
    """Whether the number is one of the business's own, or of those that it rings."""
    return phone in business.numbers or phone in business.forward_to
