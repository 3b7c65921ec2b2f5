"""Which template shows an endpoint's JSON, and what is said once a form was taken."""

from collections.abc import Mapping

from notifier.domain import STATES
from ringback.web.pages import Done, Page

PAGES: Mapping[str, Page] = {
    "texts.list_messages": Page("messages.html", lambda _: {"states": STATES}),
    "texts.show": Page("message.html"),
    "texts.status": Page("messages_status.html"),
    "texts.list_templates": Page("templates.html"),
    "texts.list_opt_outs": Page("opt_outs.html"),
    "parts.messages": Page("part_messages.html"),
}
FORMS: Mapping[str, Done] = {
    "texts.resolve": Done("What became of the text is written down."),
    "texts.put_opt_out": Done("What they said is written down."),
}
