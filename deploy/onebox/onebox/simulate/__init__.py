"""Plays Twilio: realistic calls and texts as signed webhooks, against any address.

`plan` plans them (pure), out of `scenarios`, `conversations` and `oddities`; `sender` posts one webhook, `run` plays
a plan, `command` is the command.
"""
