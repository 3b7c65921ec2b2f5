"""The `Idempotency-Key` of a request: what it is for says ringback/store/idempotency.py."""

import json
import re
from collections.abc import Mapping
from typing import Any

from flask import request

from ringback.errors import Invalid
from ringback.seals import Seal
from ringback.store.idempotency import RequestKey
from ringback.web.access import principal

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEY_RULE = "1 to 255 visible ASCII characters."


def request_key(seal: Seal, values: Mapping[str, Any]) -> RequestKey | None:
    """The client's key, if it gave one; `values` are what it asks for. Raises Invalid."""
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not KEY.fullmatch(given):
        raise Invalid("The Idempotency-Key is malformed.", errors={HEADER: [KEY_RULE]})
    asked = json.dumps([request.path, values], sort_keys=True, default=str)
    return RequestKey(seal(f"key:{principal().business}:{given}"), seal(f"asked:{asked}"))
