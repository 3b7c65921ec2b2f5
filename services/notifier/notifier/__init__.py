"""Texts through Twilio, each at most once; opt-outs."""
