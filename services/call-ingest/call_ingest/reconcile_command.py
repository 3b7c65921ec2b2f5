"""`ringback reconcile`: what Twilio knows and we do not."""

import json
import os
import re
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from call_ingest.app import NAME, twilio_api
from call_ingest.asking import Asking, Report
from ringback.clock import rfc3339, system_clock
from ringback.errors import InvalidSettings
from ringback.running import with_running
from ringback.secrets import with_generated_secrets
from ringback.settings import Settings, load_settings
from ringback.store.database import open_database

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
DURATION = re.compile(r"([1-9][0-9]{0,3})([mhd])")


class Duration(click.ParamType):  # type: ignore[type-arg]
    """`90m`, `24h`, `7d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = DURATION.fullmatch(value)
        if match is None:
            self.fail("not a duration like 90m, 24h or 7d", param, ctx)
        return timedelta(**{UNITS[match[2]]: int(match[1])})


@click.command()
@click.option("--since", type=Duration(), default="24h", show_default=True, help="How far back, like 90m, 24h, 7d.")
@click.option("--dry-run", is_flag=True, help="Report only, repair nothing.")
@click.option("--json", "json_wanted", is_flag=True, help="Print the report as one JSON object.")
def reconcile(*, since: timedelta, dry_run: bool, json_wanted: bool) -> None:
    """Compare Twilio's calls and messages with ours, and bring in what is missing.

    The running worker turns what was brought in into events.
    """
    settings = _settings()
    assert settings.mongo_url is not None
    database = open_database(settings.mongo_url, NAME)
    asking = Asking(lambda: twilio_api(settings), database, settings, system_clock)
    now = system_clock()
    report = asking.reconcile(now - since, now, repair=not dry_run)
    database.close()
    click.echo(_as_json(report) if json_wanted else _as_lines(report, dry_run))


def _settings() -> Settings:
    wanted = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    settings = load_settings(with_generated_secrets(os.environ), require=wanted)
    if not settings.twilio_account_known:
        raise InvalidSettings("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set: there is no account to ask.")
    return with_running(settings)


def _as_json(report: Report) -> str:
    return json.dumps(asdict(report), default=rfc3339)


def _as_lines(report: Report, dry_run: bool) -> str:
    lines = [f"{gap.what}  {gap.sid}  {rfc3339(gap.at) if gap.at else '-'}  {gap.status}" for gap in report.gaps]
    done = "nothing repaired (dry run)" if dry_run else f"{report.repaired} repaired"
    window = f"{rfc3339(report.since)} to {rfc3339(report.until)}"
    compared = f"{report.calls} calls and {report.messages} messages compared"
    return "\n".join([*lines, f"{window}: {compared}, {len(report.gaps)} gaps, {done}."])
