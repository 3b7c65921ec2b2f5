"""Would Twilio take this answer?"""

# The standard parser will do: MAX_BYTES and expat's limit on entity expansion bound a hostile answer.
from xml.etree import ElementTree as ET

from onebox.simulate.model import DIAL, SMS, VOICE

# The caller waits on the line for the first two, and what answers a text is sent to who wrote it. After a message
# that ended with `hangup`, or a status, nobody waits.
DUE_AT = frozenset({VOICE, DIAL, SMS})
MAX_BYTES = 64 * 1024  # Twilio's error 11750


def is_twiml(body: bytes) -> bool:
    if len(body) > MAX_BYTES:
        return False
    try:
        return ET.fromstring(body).tag == "Response"  # noqa: S314 - bounded, see above
    except ET.ParseError:
        return False
