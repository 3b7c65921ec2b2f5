"""What a text says about being texted: Twilio's keywords, and plain refusals that Twilio does not catch. Pure."""

import re
import unicodedata
from collections.abc import Mapping

# The words that Twilio acts upon (twilio.com/docs/messaging/tutorials/advanced-opt-out), each as a whole message.
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "opt_out": ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"),
    "opt_in": ("START", "UNSTOP", "YES"),
    "help": ("HELP", "INFO"),
}
CONSENT_OF_KEYWORD = {word: consent for consent, words in KEYWORDS.items() for word in words}
SPELLINGS = {"STOP ALL": "STOPALL", "OPT OUT": "OPTOUT"}
CONSENT_OF_OPT_OUT_TYPE = {"STOP": "opt_out", "START": "opt_in", "HELP": "help"}

# Twilio's longest message. Normalising takes time that grows with the square of a run of combining characters, and
# may make one character eighteen.
LONGEST_BODY = 1600
APOSTROPHES = re.compile(
    r"['`\N{ACUTE ACCENT}\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
    r"\N{MODIFIER LETTER APOSTROPHE}\N{FULLWIDTH APOSTROPHE}]"
)
SENTENCE_END = re.compile(r"[.!?;:()\n\r\N{EN DASH}\N{EM DASH}]+")
WORD_OR_COMMA = re.compile(r"[^\W_]+|,")

# What REFUSAL_PATTERNS are made of.
_NOT_DENIED = (
    r"(?<!\bdont )(?<!\bnot )(?<!\bnever )(?<!\bdidnt )(?<!\bdid you )(?<!\bwhyd you )(?<!\bdid i )"
    r"(?<!\bdont want to )(?<!\bdont want you to )(?<!\bdo not want to )(?<!\bdo not want you to )\b"
)
# A business's own words come back in quotations and reactions: "Reply STOP to opt out".
_NOT_QUOTED = rf"(?<!\bstop to ){_NOT_DENIED}"
_NOT_OF_OTHERS = r"(?<!\bi )(?<!\bwe )(?<!\bthey )(?<!\byou )\b"
_NOT_OWN_PLAN = r"(?<!\bi )(?<!\bill )(?<!\bi will )"
_NOT_AT_TIMES = r"(?! (?:back|before|after|until|till|when|while|unless|if|during|between)\b)"
_START = r"(?:^|, |\bplease )"
_OVER = r"(?= ,|$)"
_PLEASE = r"(?:please|pls|plz|kindly|just|ok|okay|now|no|hey|hi|i said|i want you to|i told you to|i asked you to)"
_NOW = r"(?:it|this|now|please|pls|plz|already|immediately|thanks|thank you|stop)"
_STOP = r"(?:stop|quit|cease)"
_TEXT = r"(?:text|message|msg|sms|contact|spam)"
_TEXTS = r"(?:texts|messages|msgs|sms|spam)"
_TEXTING = r"(?:texting|text|messaging|message|msging|contacting|contact|spamming|bothering|harassing)"
_TEXTED = r"(?:texted|messaged|contacted|spammed)"
_ME = r"(?:me|us|my (?:phone|cell|number)|this (?:phone|number))"
_MY_NUMBER = r"(?:me|us|my (?:cell |phone )?(?:number|phone|name|info|contact)|this number)"
_THESE = (
    r"(?:(?:me|us|of|any|all|more|the|this|that|these|those|your|such|further|future|text|"
    r"unwanted|unsolicited|marketing|promotional) ){0,4}"
)
_TO_GET = r"(?:(?:to|get|getting|receive|receiving|be|being|you|from) ){0,4}"
_ON_YOUR = (
    r"(?:(?:your|the|this|that|any|all|of|text|texting|sms|message|messaging|mailing|marketing|contact|phone) ){0,4}"
)
_LIST = r"(?:list|lists|database|system|contacts|texts|messages|records|thread)"

# Plain refusals that are no keyword, by the keyword that each amounts to. In doubt it is a refusal: a text too few is
# mended by a call, one too many is an offence. They are matched against what `_sentences` makes of a body; none
# repeats without bound.
REFUSAL_PATTERNS: Mapping[str, tuple[str, ...]] = {
    "STOP": (
        rf"^stop(?: {_NOW}){{0,3}}{_OVER}",
        rf", stop(?: {_NOW}){{0,3}}$",
        rf"(?:^|, )(?:(?:can|could|will|would) you )?(?:{_PLEASE} ){{1,3}}stop(?: {_NOW}){{0,3}}{_OVER}",
        (
            rf"{_NOT_OWN_PLAN}{_NOT_QUOTED}{_STOP} (?:calling (?:and|or) )?{_TEXTING}"
            rf"(?: (?:and|or) (?:calling|emailing|{_TEXTING}))?"
            rf"(?: (?:{_ME}|please|pls|now|here)\b|{_OVER})"
        ),
        rf"{_NOT_QUOTED}{_STOP} (?:sending|getting|receiving) {_THESE}(?:{_TEXTS}|these|this)\b",
        rf"{_NOT_QUOTED}(?:{_STOP}|end|cancel) {_THESE}{_TEXTS}\b",
        rf"{_START}no more {_THESE}{_TEXTS}\b",
        (
            rf"(?:{_NOT_OF_OTHERS}(?:dont|do not|never)|\bnot to) (?:ever )?"
            rf"(?:(?:call|email) (?:and|or) )?{_TEXT}(?: (?:and|or) (?:call|email|{_TEXT}))?"
            rf"(?: {_ME}\b{_NOT_AT_TIMES}| (?:again|anymore|please|pls)\b|{_OVER})"
        ),
        (
            rf"\b(?:dont|do not|no longer) (?:want|wish|like|care) {_TO_GET}{_THESE}"
            rf"(?:{_TEXTS}|{_TEXTED}|{_TEXTING} {_ME})\b"
        ),
        rf"{_NOT_DENIED}leave (?:me|us) alone\b",
        rf"{_START}lose (?:my|this) number\b",
    ),
    "REVOKE": (rf"{_NOT_DENIED}(?:revoke|withdraw) (?:my )?(?:consent|permission)\b",),
    "UNSUBSCRIBE": (
        rf"{_NOT_QUOTED}unsubscribe(?: (?:me|us|my|this|from|please|pls|now)\b|{_OVER})",
        (
            rf"{_NOT_DENIED}(?:remove|delete|take|get) {_MY_NUMBER} (?:from|off|off of|out of) "
            rf"{_ON_YOUR}(?:{_LIST}\b|this{_OVER})"
        ),
        rf"{_START}(?:(?:remove|delete) {_MY_NUMBER}|take {_MY_NUMBER} off)(?: {_NOW}){{0,2}}{_OVER}",
    ),
    "OPTOUT": (
        rf"{_NOT_DENIED}opt (?:me|us) out\b",
        (
            rf"{_NOT_QUOTED}(?:opt|opting) out(?: of {_THESE}(?:{_TEXTS}|this|these|all|everything))?"
            rf"(?: {_NOW}){{0,2}}{_OVER}"
        ),
    ),
}
REFUSALS = {word: re.compile("|".join(patterns), re.MULTILINE) for word, patterns in REFUSAL_PATTERNS.items()}


def consent(params: Mapping[str, str]) -> tuple[str | None, str | None]:
    """What a text says about being texted (`opt_out opt_in help`), and the keyword that says so.

    Twilio's own judgement (OptOutType) comes before the body. Where both agree the body's word is the keyword, so
    that a YES, which may as well answer a question, stays one.
    """
    said = _said(params.get("Body", ""))
    opt_out_type = params.get("OptOutType", "").strip().upper()
    judged = CONSENT_OF_OPT_OUT_TYPE.get(opt_out_type)
    return said if judged in {None, said[0]} else (judged, opt_out_type)


def _said(body: str) -> tuple[str | None, str | None]:
    sentences = _sentences(body)
    words = " ".join(sentences.replace(",", " ").upper().split())
    keyword = SPELLINGS.get(words, words)
    if keyword in CONSENT_OF_KEYWORD:
        return CONSENT_OF_KEYWORD[keyword], keyword
    refused = next((word for word, pattern in REFUSALS.items() if pattern.search(sentences)), None)
    return (None, None) if refused is None else ("opt_out", refused)


def _sentences(body: str) -> str:
    """A line a sentence: words in lower case and commas, a space apart, without apostrophes and what is invisible."""
    plain = APOSTROPHES.sub("", body.strip()[:LONGEST_BODY])
    normal = unicodedata.normalize("NFKC", plain)[:LONGEST_BODY].casefold()
    visible = "".join(character for character in normal if unicodedata.category(character) != "Cf")
    sentences = (WORD_OR_COMMA.findall(sentence) for sentence in SENTENCE_END.split(visible))
    return "\n".join(" ".join(words) for words in sentences if words)
