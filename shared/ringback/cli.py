"""The command `ringback`. Every installed distribution adds its commands by the entry point `ringback.commands`."""

from importlib.metadata import entry_points

import click

from ringback.errors import RingbackError
from ringback.telemetry import configure_logging


class Commands(click.Group):
    """The group of all commands; a failure that has a reason is told in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(entry_points(group="ringback.commands").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry_point in entry_points(group="ringback.commands", name=cmd_name):
            command: click.Command = entry_point.load()
            return command
        return None

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except RingbackError as error:
            raise click.ClickException(error.message) from error


@click.command(cls=Commands)
def main() -> None:
    """Ringback: telephony CRM services that never lose a caller."""
    configure_logging()
