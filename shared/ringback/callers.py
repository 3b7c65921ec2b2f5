"""Which customer a caller becomes: what a service that has only the call knows of them. Pure."""

import uuid

CUSTOMER_NAMESPACE = uuid.UUID("5d0c8b2f-4d0e-5f0b-9f1a-6b9ad9c6f3b7")


def customer_id_of(business: str, phone: str | None, otherwise: str) -> str:
    """The id of the record that a caller becomes: the same number always the same.

    One whose caller ID identifies nobody is a record of this one call or text (`otherwise`: its SID).
    """
    return str(uuid.uuid5(CUSTOMER_NAMESPACE, f"{business}\n{phone or otherwise}"))
