"""What `customer` tells about customers."""

from marshmallow import fields

from ringback.contracts.fields import EventData


class CustomerCreated(EventData):
    """`phone` is E.164, or None for a caller whose number identifies nobody."""

    customer_id = fields.String(required=True)
    name = fields.String(load_default=None, allow_none=True)
    phone = fields.String(load_default=None, allow_none=True)
    email = fields.String(load_default=None, allow_none=True)
    source = fields.String(required=True)


class CustomerUpdated(EventData):
    """`changed` holds the new values of the fields that changed."""

    customer_id = fields.String(required=True)
    changed = fields.Dict(keys=fields.String(), required=True)


class CustomerDeleted(EventData):
    """`phones`, in E.164, are those of the record that is gone: what others know by them has to go, too."""

    customer_id = fields.String(required=True)
    phones = fields.List(fields.String(), load_default=list)


class CustomerMerged(EventData):
    """`customer_id` is kept, `other_id` became part of it, `phones` came with it."""

    customer_id = fields.String(required=True)
    other_id = fields.String(required=True)
    phones = fields.List(fields.String(), required=True)


class CustomerUnmerged(CustomerMerged):
    pass


class CustomerSegmentChanged(EventData):
    customer_id = fields.String(required=True)
    previous = fields.String(required=True, data_key="from", allow_none=True)
    current = fields.String(required=True, data_key="to")
    reason = fields.String(required=True)
