"""`ringback simulate`: realistic calls and texts as signed webhooks against any address."""

import os
import secrets
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from onebox.simulate.ledger import Ledger
from onebox.simulate.model import Planned
from onebox.simulate.plan import Plan, start_for_end
from onebox.simulate.run import run
from onebox.simulate.sender import Sender
from onebox.simulate.summary import Summary, as_json, as_lines
from ringback.clock import system_clock
from ringback.secrets import with_generated_secrets
from ringback.settings import Settings, load_settings

MAX_CALLS = 1_000_000


@dataclass(frozen=True)
class Target:
    """Who is called and how: options first, settings for the rest."""

    base_url: str
    public_url: str
    account_sid: str
    token: str
    numbers: tuple[str, ...]


def _web_address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise click.BadParameter("not an http(s) address", ctx, param)
    return value.rstrip("/")


@click.command()
@click.option("--calls", default=100, show_default=True, type=click.IntRange(1, MAX_CALLS))
@click.option("--seed", type=int, help="The same seed sends the same bytes.  [default: a new one, printed]")
@click.option("--base-url", callback=_web_address, help="Where to post.  [default: RINGBACK_PUBLIC_URL]")
@click.option("--public-url", callback=_web_address, help="Address that is signed.  [default: --base-url]")
@click.option("--number", "numbers", multiple=True, help="Number called; repeatable.  [default: all]")
@click.option("--account-sid", help="[default: TWILIO_ACCOUNT_SID]")
@click.option("--auth-token", help="Signs the webhooks.  [default: the first of TWILIO_AUTH_TOKEN]")
@click.option("--concurrency", default=8, show_default=True, type=click.IntRange(1, 256))
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Calls a second.  [default: no limit]")
@click.option("--recent", is_flag=True, help="Date the calls up to now, not on the seed's fixed day.")
@click.option("--oddities/--no-oddities", default=True, show_default=True, help="What is rare at Twilio, too.")
@click.option("--ledger", type=click.Path(dir_okay=False, path_type=Path), help="File: what was accepted.")
@click.option("--json", "json_wanted", is_flag=True, help="Print the summary as one JSON object.")
def simulate(
    *,
    calls: int,
    seed: int | None,
    base_url: str | None,
    public_url: str | None,
    numbers: tuple[str, ...],
    account_sid: str | None,
    auth_token: str | None,
    concurrency: int,
    rate: float | None,
    recent: bool,
    oddities: bool,
    ledger: Path | None,
    json_wanted: bool,
) -> None:
    """Play Twilio: send the signed webhooks of realistic calls, and of some texts beside them.

    Exits with 0 when every webhook was accepted and every caller got valid TwiML, else with 1.
    """
    target = _target(base_url, public_url, account_sid, auth_token, numbers)
    seed = secrets.randbelow(2**32) if seed is None else seed
    start = start_for_end(calls, system_clock()) if recent else None
    plan = Plan(calls, seed, target.numbers, target.account_sid, start, oddities)
    with ExitStack() as stack:
        book = stack.enter_context(Ledger(ledger)) if ledger else None
        sender = stack.enter_context(Sender(target.base_url, target.token, target.public_url, book))
        summary = _run_with_progress(plan, calls, sender, concurrency, rate)
    _report(summary, seed, json_wanted)


def _target(
    base_url: str | None,
    public_url: str | None,
    account_sid: str | None,
    token: str | None,
    numbers: tuple[str, ...],
) -> Target:
    settings = _settings(complete=bool(account_sid and token))
    base = base_url or settings.public_url
    return Target(
        base_url=base,
        public_url=public_url or base,
        account_sid=account_sid or settings.twilio_account_sid or "",
        token=token or settings.twilio_auth_tokens[0],
        numbers=numbers or tuple(n for business in settings.businesses.values() for n in business.numbers),
    )


def _settings(complete: bool) -> Settings:
    """Secrets of the data folder are made only when the command line does not give them."""
    if complete:
        return load_settings(os.environ)
    wanted = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    return load_settings(with_generated_secrets(os.environ), require=wanted)


def _run_with_progress(
    plan: Iterable[Planned], calls: int, sender: Sender, concurrency: int, rate: float | None
) -> Summary:
    """The bar goes to stderr: stdout is the summary's."""
    with click.progressbar(length=calls, label="Calls", file=sys.stderr) as bar:
        return run(plan, sender, concurrency=concurrency, rate=rate, on_call=lambda: bar.update(1))


def _report(summary: Summary, seed: int, json_wanted: bool) -> None:
    for line in [as_json(summary, seed)] if json_wanted else as_lines(summary, seed):
        click.echo(line)
    if not summary.ok:
        raise SystemExit(1)
