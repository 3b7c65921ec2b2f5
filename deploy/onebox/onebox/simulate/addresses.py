"""What From holds when it holds no telephone number (Twilio's help article 223179988, docs/voice/twiml)."""

# Words spelled on a keypad: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE, "no caller ID", PRIVATE.
WITHHELD_NUMBERS = ("+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+464", "+7748283")
# Widely copied misprints of RESTRICTED and UNKNOWN, and a national number's 1 put in front.
WITHHELD_MISPRINTS = ("+7378742883", "+8566696", "+17378742833")
WITHHELD_WORDS = (
    "anonymous",
    "Anonymous",
    "unknown",
    "Unknown",
    "restricted",
    "RESTRICTED",
    "private",
    "unavailable",
    "blocked",
    "withheld",
)
WITHHELD_ADDRESSES = ("sip:anonymous@anonymous.invalid", "client:Anonymous")
WITHHELD: tuple[str | None, ...] = (*WITHHELD_NUMBERS, *WITHHELD_WORDS, *WITHHELD_ADDRESSES, "", None)
SIP_WITH_NUMBER = ("sip:+12125550123@trunk.example.net;user=phone",)
SIP = ("sip:reception@pbx.example.com", *SIP_WITH_NUMBER, "sip:204@10.0.0.5")
LONGEST_CLIENT = "client:" + "a" * 256
CLIENT = ("client:front-desk", "client:web_visitor", "client:jürgen")
SIM = ("sim:DE0123456789abcdef0123456789abcdef",)
SHORT_CODES = ("72345", "898211")
