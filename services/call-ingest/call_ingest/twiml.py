"""The answers to Twilio, out of twilio's own classes: always valid TwiML, well under 64 kB.

Verbs: twilio.com/docs/voice/twiml. A `<Record>` without an action would ask for the current document again, for
ever; one that records nothing makes no request and falls through to the next verb.
"""

from twilio.twiml.voice_response import Dial, VoiceResponse

from ringback.businesses import Business

VOICEMAIL_SECONDS = 180


def nothing() -> str:
    """An empty answer: the call goes on as Twilio has it, or ends."""
    return str(VoiceResponse())


def reject() -> str:
    """Turn the call away unanswered (and unbilled): the number is nobody's."""
    response = VoiceResponse()
    response.reject()
    return str(response)


def ring(business: Business, public_url: str) -> str:
    """Ring everybody at once; what came of it is told to /twilio/voice/dial."""
    dial = Dial(
        action=f"{public_url}/twilio/voice/dial",
        method="POST",
        timeout=business.ring_seconds,
        answer_on_bridge=True,
    )
    for number in business.forward_to:
        dial.number(number)
    response = VoiceResponse()
    response.append(dial)
    return str(response)


def take_message(business: Business, public_url: str) -> str:
    """Ask for a voicemail; what was recorded is told to /twilio/voice/recording."""
    response = VoiceResponse()
    response.say(f"You have reached {business.name}. Please leave a message after the tone.")
    response.record(
        action=f"{public_url}/twilio/voice/recording",
        method="POST",
        max_length=VOICEMAIL_SECONDS,
        play_beep=True,
    )
    response.say("We did not hear anything. Goodbye.")
    response.hangup()
    return str(response)


def apologize(business: Business | None) -> str:
    """Nobody is there and no message is taken."""
    response = VoiceResponse()
    response.say(f"{business.name} cannot take your call right now." if business else "Nobody can take your call.")
    response.hangup()
    return str(response)


def thank() -> str:
    """After a voicemail."""
    response = VoiceResponse()
    response.say("Thank you. We will call you back.")
    response.hangup()
    return str(response)
