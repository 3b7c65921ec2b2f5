"""The indexes of all that this service stores."""

from pipeline.automation.store import INDEXES as AUTOMATION_INDEXES
from pipeline.outbound.store import INDEXES as OUTBOUND_INDEXES
from pipeline.store import INDEXES as LEADS_INDEXES
from ringback.store.database import Indexes

INDEXES: Indexes = {**LEADS_INDEXES, **AUTOMATION_INDEXES, **OUTBOUND_INDEXES}
