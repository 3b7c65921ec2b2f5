"""Plays Twilio: realistic calls as signed webhooks, against any address.

`scenarios` plans the calls (pure), `sender` posts one webhook, `run` plays a plan, `command` is the command.
"""
