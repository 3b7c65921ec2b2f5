"""What strangers may be called and may say, and whether a page took it for more than text."""

from html import unescape

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "</textarea><script>alert(1)</script>",
    "javascript:alert(1)",
    "<!--<script>",
)
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 5
SCRIPTS = ("محمد عبد الرحمن", "李小龍", "👩‍⚕️ Dr. مريم", "Ελένη Παπαδοπούλου")
# What of HOSTILE would be markup, or a link.
MARKUP = ("<script>", "<img src=x", "<svg onload", "<!--<script", 'href="javascript:', 'src="javascript:', "49{%")


def is_harmless(page: str) -> bool:
    """Whether nothing of HOSTILE became markup."""
    return not any(piece in page for piece in MARKUP)


def seen(page: str) -> str:
    """A page's text as a browser reads entities and blanks."""
    return " ".join(unescape(page).split())
