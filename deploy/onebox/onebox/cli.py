"""`ringback up`: the whole product in one process."""

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType

import click

from customer.sign_in import first_owner_token
from onebox.box import Box, required_settings
from ringback.clock import system_clock
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
        click.echo(welcome(box.settings, first_links(box)))
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


def first_links(box: Box) -> list[str]:
    """Where the first owner of each business that has none yet chooses a password."""
    settings = box.settings
    assert settings.secret_key is not None
    if not box.complete:
        return []
    return [
        f"  {business}: http://127.0.0.1:{settings.port}/login/first?token="
        + first_owner_token(settings.secret_key, business, system_clock)
        for business in settings.businesses
        if box.has_no_users(business)
    ]


def welcome(settings: Settings, links: Sequence[str] = ()) -> str:
    businesses = "\n".join(
        f"  {business.key}: {business.name}, {', '.join(business.numbers)}"
        for business in settings.businesses.values()
    )
    first = "\nThe first owner signs in by this link, valid for a day\n" + "\n".join(links) + "\n" if links else ""
    return f"""
Ringback is ready on http://127.0.0.1:{settings.port}
{first}
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
