"""What `customer` tells about customers."""

from marshmallow import fields

from ringback.contracts.fields import EventData


class _OfCustomer(EventData):
    """`revision` orders what is told of one customer: of two texts the greater one was told later."""

    customer_id = fields.String(required=True)
    revision = fields.String(load_default="")


class CustomerCreated(_OfCustomer):
    """`phone` is E.164, or None for a caller whose number identifies nobody; it is the first of `phones`."""

    name = fields.String(load_default=None, allow_none=True)
    phone = fields.String(load_default=None, allow_none=True)
    email = fields.String(load_default=None, allow_none=True)
    source = fields.String(required=True)
    phones = fields.List(fields.String(), load_default=None)
    segment = fields.String(load_default=None)


class CustomerUpdated(_OfCustomer):
    """`changed` holds the new values of the fields that changed."""

    changed = fields.Dict(keys=fields.String(), required=True)


class CustomerDeleted(EventData):
    """`phones`, in E.164, are those of the record that is gone: what others know by them has to go, too."""

    customer_id = fields.String(required=True)
    phones = fields.List(fields.String(), load_default=list)


class CustomerMerged(_OfCustomer):
    """`customer_id` is kept, `other_id` became part of it, `phones` came with it. `other_revision` is the other's."""

    other_id = fields.String(required=True)
    other_revision = fields.String(load_default="")
    phones = fields.List(fields.String(), required=True)


class CustomerUnmerged(CustomerMerged):
    pass


class CustomerSegmentChanged(_OfCustomer):
    previous = fields.String(required=True, data_key="from", allow_none=True)
    current = fields.String(required=True, data_key="to")
    reason = fields.String(required=True)
