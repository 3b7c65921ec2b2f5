"""`ringback token`: a bearer token for the API."""

import os
from datetime import timedelta

import click

from ringback.clock import system_clock
from ringback.secrets import with_generated_secrets
from ringback.settings import load_settings
from ringback.web.access import ROLES, Principal, make_token


@click.command()
@click.option("--business", required=True, help="Key of the business in businesses.toml.")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--subject", default="cli", show_default=True, help="Who it is for; stands in the history.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="How long it is valid.")
def token(business: str, role: str, subject: str, days: int) -> None:
    """Print a bearer token for the API, and nothing else, on stdout."""
    settings = load_settings(with_generated_secrets(os.environ), require=("RINGBACK_SECRET_KEY",))
    if business not in settings.businesses:
        raise click.BadParameter(f"known are {', '.join(sorted(settings.businesses))}", param_hint="--business")
    assert settings.secret_key is not None
    principal = Principal(subject, business, role)
    click.echo(make_token(settings.secret_key, principal, system_clock(), timedelta(days=days)))
