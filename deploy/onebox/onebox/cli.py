"""`ringback up`: the whole product in one process."""

import os
import signal
import threading
from types import FrameType

import click

from onebox.box import Box, required_settings
from ringback.secrets import with_generated_secrets
from ringback.settings import Settings, load_settings

HEAL_SECONDS = 0.5


@click.command()
def up() -> None:
    """Run every service in this process, on an embedded MongoDB unless RINGBACK_MONGO_URL names another."""
    settings = load_settings(with_generated_secrets(os.environ), require=required_settings())
    ending = Ending()
    ending.listen()
    box = Box(settings)
    try:
        box.start()
        click.echo(welcome(settings))
        if not box.complete:
            click.echo("MongoDB is away: calls are answered and kept; everything else waits for it.")
        while not ending.asked_within(HEAL_SECONDS):
            box.heal()
    finally:
        box.stop()


class Ending:
    """SIGTERM and SIGINT as something to wait for."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def asked_within(self, seconds: float) -> bool:
        return self._asked.wait(seconds)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()


def welcome(settings: Settings) -> str:
    businesses = "\n".join(
        f"  {business.key}: {business.name}, {', '.join(business.numbers)}"
        for business in settings.businesses.values()
    )
    return f"""
Ringback is ready on http://127.0.0.1:{settings.port}

Businesses
{businesses}

In Twilio's console, for each of these numbers (Phone Numbers > Manage > Active numbers)
  A call comes in:      Webhook  {settings.public_url}/twilio/voice          HTTP POST
  Call status changes:           {settings.public_url}/twilio/voice/status   HTTP POST
  A message comes in:   Webhook  {settings.public_url}/twilio/sms            HTTP POST

Try it without Twilio
  ringback simulate --calls 20 --seed 7
  curl -H "Authorization: Bearer $(ringback token --business {next(iter(settings.businesses))} --role owner)" \\
       http://127.0.0.1:{settings.port}/customers

Data and secrets are kept in {settings.data.resolve()}. Ctrl-C stops.
"""
