"""HTTP in: all customers of a business at once, as CSV; owners only."""

import io

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, fields
from werkzeug.exceptions import UnsupportedMediaType

from customer import store
from customer.csv_files import BadFile, lines, rows
from customer.importing import Importing, Report
from customer.schemas import CustomerSchema
from ringback.errors import Invalid
from ringback.store.database import Database
from ringback.web.access import Access, principal
from ringback.web.queries import load

OWNER = frozenset({"owner"})
TRANSFER_ACCESS: Access = {"transfer.export": OWNER, "transfer.import_": OWNER}
CSV = "text/csv"
# Of what is not new, so many rows are told one by one.
MOST_TOLD = 1000
LARGEST_FILE = 16 * 1024 * 1024


class ImportQuery(Schema):
    class Meta:
        unknown = RAISE

    dry_run = fields.Boolean(load_default=False)


def transfer_blueprint(importing: Importing, database: Database) -> Blueprint:
    routes = Blueprint("transfer", __name__)

    @routes.get("/customers/export")
    def export() -> Response:
        """All customers, streamed; no cell is a formula to a spreadsheet."""
        found = map(CustomerSchema().dump, store.all_customers(database, principal().business))
        response = Response(lines(found), content_type=f"{CSV}; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="customers.csv"'
        return response

    @routes.post("/customers/import")
    def import_() -> Response:
        """A CSV file as the body; who is there already is left alone. `?dry_run=true` changes nothing."""
        request.max_content_length = LARGEST_FILE
        dry_run, table = load(ImportQuery(), request.args)["dry_run"], _table()
        try:
            report = importing.run(principal().business, rows(table, {}), dry_run=dry_run)
        except BadFile as error:
            raise Invalid(str(error), code="bad_file") from error
        return jsonify(_dump(report))

    return routes


def _table() -> io.StringIO:
    if request.mimetype != CSV:
        raise UnsupportedMediaType(f"The body has to be CSV, with Content-Type: {CSV}.")
    return io.StringIO(request.get_data().decode("utf-8-sig", "replace"), newline="")


def _dump(report: Report) -> dict[str, object]:
    told = [
        {"line": one.line, "outcome": one.outcome, "customer_id": one.customer_id, "why": one.why}
        for one in report.notable[:MOST_TOLD]
    ]
    return {"counts": dict(report.counts), "rows": told}
