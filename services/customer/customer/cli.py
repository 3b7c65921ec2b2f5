"""`ringback customers`: what ops and owners do with all customers at once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from customer import store
from customer.app import NAME
from customer.csv_files import FIELDS, BadFile, Row, lines, rows
from customer.importing import OUTCOMES, Importing, Report
from customer.resync import Resync
from customer.schemas import CustomerSchema
from ringback.clock import system_clock
from ringback.running import with_running
from ringback.seals import seal_with
from ringback.secrets import with_kept_secrets
from ringback.settings import Settings, load_settings
from ringback.store.database import Database, open_database

OF_BUSINESS = click.option("--business", required=True, help="Key of the business in businesses.toml.")


@click.group()
def customers() -> None:
    """Look after all customers at once."""


@customers.command(name="import")
@click.argument("path", metavar="FILE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@OF_BUSINESS
@click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="name, phone or email; repeatable.")
@click.option("--dry-run", is_flag=True, help="Report only, change nothing.")
def import_(*, path: Path, business: str, mapping: tuple[str, ...], dry_run: bool) -> None:
    """Bring in customers; who is there already is left alone. Run it again after an interruption."""
    with _opened(business, "RINGBACK_SECRET_KEY") as (settings, database):
        assert settings.secret_key is not None
        importing = Importing(database, settings.businesses, system_clock, seal_with(settings.secret_key))
        try:
            report = _import(importing, path, business, _columns(mapping), dry_run)
        except BadFile as error:
            raise click.ClickException(str(error)) from error
    _tell(report, dry_run)


@customers.command()
@OF_BUSINESS
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file.  [default: stdout]")
def export(*, business: str, output: Path | None) -> None:
    """Write all customers as CSV, safe to open in a spreadsheet."""
    with _opened(business) as (_, database):
        written = lines(map(CustomerSchema().dump, store.all_customers(database, business)))
        if output is None:
            for line in written:
                click.echo(line, nl=False)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(written)


@customers.command()
@click.option("--dry-run", is_flag=True, help="Report only, repair nothing.")
def resync(*, dry_run: bool) -> None:
    """Count anew what every customer adds up to, and say what stood otherwise: it should be nothing."""
    with _opened(None) as (settings, database):
        length = store.count_records(database)
        with click.progressbar(length=length, label="Customers", file=sys.stderr) as bar:
            counting = Resync(database, settings.businesses, system_clock)
            report = counting.run(repair=not dry_run, on_batch=bar.update)
    for customer_id, fields in sorted(report.changed.items()):
        click.echo(f"{customer_id}  {', '.join(fields)}")
    done = "found otherwise" if dry_run else "set right"
    click.echo(f"{report.checked} records checked, {len(report.changed)} {done}.")


@contextmanager
def _opened(business: str | None, *required: str) -> Iterator[tuple[Settings, Database]]:
    settings = with_running(load_settings(with_kept_secrets(os.environ), require=required))
    if business is not None and business not in settings.businesses:
        raise click.BadParameter(f"known are {', '.join(sorted(settings.businesses))}", param_hint="--business")
    assert settings.mongo_url is not None
    database = open_database(settings.mongo_url, NAME)
    try:
        yield settings, database
    finally:
        database.close()


def _columns(mapping: tuple[str, ...]) -> dict[str, str]:
    columns = dict(pair.partition("=")[::2] for pair in mapping)
    unknown = set(columns) - set(FIELDS)
    if unknown or not all(columns.values()):
        raise click.BadParameter(f"FIELD=COLUMN, and a field is one of {', '.join(FIELDS)}", param_hint="--map")
    return columns


def _import(importing: Importing, path: Path, business: str, columns: dict[str, str], dry_run: bool) -> Report:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        found: list[Row] = list(rows(file, columns))
    with click.progressbar(length=len(found), label="Customers", file=sys.stderr) as bar:
        return importing.run(business, found, dry_run=dry_run, on_batch=bar.update)


def _tell(report: Report, dry_run: bool) -> None:
    for result in report.notable:
        click.echo(f"line {result.line}: {result.outcome}  {result.customer_id or ''} {result.why or ''}".rstrip())
    counted = ", ".join(f"{report.counts[name]} {name}" for name in OUTCOMES)
    click.echo(f"{counted}{' (dry run: nothing was changed)' if dry_run else ''}.")
