"""`ringback user`: who may sign in to the pages."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from customer.app import NAME
from customer.user_store import USER_INDEXES
from customer.users import PEOPLE_ROLES, Users, users_of
from ringback.clock import system_clock
from ringback.running import with_running
from ringback.seals import seal_with
from ringback.secrets import with_kept_secrets
from ringback.settings import Settings, load_settings
from ringback.store.database import open_database


@click.group()
def user() -> None:
    """Add, list and disable people who sign in to the pages."""


@user.command()
@click.argument("name")
@click.option("--business", required=True, help="Key of the business in businesses.toml.")
@click.option("--role", required=True, type=click.Choice(PEOPLE_ROLES))
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def add(name: str, business: str, role: str, password_stdin: bool) -> None:
    """Let somebody sign in."""
    if business not in _settings().businesses:
        raise click.BadParameter(f"known are {', '.join(sorted(_settings().businesses))}", param_hint="--business")
    password = _password(from_stdin=password_stdin)
    with _users() as users:
        users.add(name, business, role, password)
    click.echo(f"{name} may sign in to {business} as {role}.")


@user.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def passwd(name: str, password_stdin: bool) -> None:
    """Give somebody another password; ends their sessions."""
    password = _password(from_stdin=password_stdin)
    with _users() as users:
        users.set_password(name, password)
    click.echo(f"{name} has a new password.")


@user.command(name="list")
def list_users() -> None:
    """Everybody who may sign in, or might."""
    with _users() as users:
        for one in users.list_all():
            state = "disabled" if one["disabled"] else "active"
            click.echo(f"{one['name']}\t{one['business']}\t{one['role']}\t{state}")


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Let somebody in no longer; ends their sessions within 15 minutes."""
    with _users() as users:
        users.set_disabled(name, disabled=True)
    click.echo(f"{name} is disabled.")


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Let somebody in again."""
    with _users() as users:
        users.set_disabled(name, disabled=False)
    click.echo(f"{name} is enabled.")


def _settings() -> Settings:
    return load_settings(with_kept_secrets(os.environ), require=("RINGBACK_SECRET_KEY",))


@contextmanager
def _users() -> Iterator[Users]:
    settings = with_running(_settings())
    assert settings.mongo_url is not None
    assert settings.secret_key is not None
    database = open_database(settings.mongo_url, NAME)
    try:
        database.ensure_indexes(USER_INDEXES)
        yield users_of(database, system_clock, seal_with(settings.secret_key))
    finally:
        database.close()


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password
