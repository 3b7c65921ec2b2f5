"""Which template shows an endpoint's JSON, and what is said once a form was taken."""

from collections.abc import Mapping

from ringback.web.pages import Done, Page

PAGES: Mapping[str, Page] = {
    "home.show": Page("home.html"),
    "home.show_settings": Page("settings.html"),
}
FORMS: Mapping[str, Done] = {}
