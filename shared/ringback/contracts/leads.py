"""What `pipeline` tells about leads."""

from marshmallow import fields, validate

from ringback.contracts.fields import EventData, Timestamp

STAGES = ("new_lead", "contacted", "appointment_set", "converted", "lost")
CAUSES = ("manual", "auto")


class LeadStageChanged(EventData):
    """The automation trigger `lead_stage_changed`. `actor` is who moved it, or the rule that did."""

    customer_id = fields.String(required=True)
    previous = fields.String(required=True, data_key="from", allow_none=True, validate=validate.OneOf(STAGES))
    current = fields.String(required=True, data_key="to", validate=validate.OneOf(STAGES))
    cause = fields.String(required=True, validate=validate.OneOf(CAUSES))
    actor = fields.String(load_default=None)
    seconds_in_previous_stage = fields.Integer(load_default=None, validate=validate.Range(min=0))
    at = Timestamp(required=True)
