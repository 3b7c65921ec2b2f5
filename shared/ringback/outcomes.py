"""What several things that are told of one call or text come to. Pure."""

# Of what is said about a call's end the better evidence counts: a person answered, then what ringing led to (of
# contradicting results the one that call-ingest takes, too), then that nobody was rung, that the caller hung up,
# that nothing was heard any more.
OUTCOMES_BY_WEIGHT = (
    ("missed", "timeout"),
    ("missed", "abandoned"),
    ("missed", "closed"),
    ("missed", "canceled"),
    ("missed", "failed"),
    ("missed", "busy"),
    ("missed", "no-answer"),
    ("answered", ""),
)
# How far a text of ours got; the furthest that was told counts, whatever came last. A text that was sent can still
# be lost by a carrier, and one that was given up for lost can arrive.
STATUSES_BY_RANK = ("requested", "suppressed", "sent", "failed", "delivered")
