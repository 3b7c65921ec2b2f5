"""What people write."""

TEXTS = (
    "Hi, do you have an appointment tomorrow?",
    "I tried to call, please call me back.",
    "Can you stop by the office at 5?",
    "What are your opening hours on Saturday?",
    "Running 10 minutes late & stuck in traffic, sorry!",
)
REPLIES = (
    "Yes please",
    "Thursday at 3 works for me",
    "OK thanks!",
    "YES",
    "No need any more, thank you",
    "Who is this?",
)
# The last ones are clear, too, but Twilio itself does not recognise them.
OPT_OUTS = (
    "STOP",
    "Stop",
    " stop \n",
    "STOP.",
    "StopAll",
    "UNSUBSCRIBE",
    "Cancel",
    "end",
    "Quit!",
    "REVOKE",
    "OPTOUT",
    "opt out",
    "\uff33\uff34\uff2f\uff30",  # full-width letters, as some keyboards write them
    "st\u200bop",
    "please stop texting me",
)
OPT_INS = ("START", "start", "Unstop", "YES")
HELPS = ("HELP", "help?", "INFO")
EMOJI = ("👍", "🙏🏽 see you at 9️⃣", "👩‍👩‍👧‍👦 can come at ½ 3")
UNKIND = (
    "",
    "\x00\x07\x1b[2J",
    "<Response><Dial>+12125550100</Dial></Response>",
    "\u202etxet\r\n\tX: 1",
    '{"$gt": ""}',
)
LONGEST = 1600
FILLER = "I have a long story to tell, and I will tell it now. "
LONG = ((FILLER * LONGEST)[:LONGEST],)
