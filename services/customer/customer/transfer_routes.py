"""HTTP in: all customers of a business at once, as CSV; owners only."""

import io

from flask import Blueprint, Response, jsonify, render_template, request
from marshmallow import RAISE, Schema, fields
from werkzeug.exceptions import UnsupportedMediaType

from customer import store
from customer.csv_files import SYNONYMS, BadFile, lines, rows
from customer.importing import Importing, Report
from customer.schemas import CustomerSchema
from ringback.errors import Invalid
from ringback.store.database import Database
from ringback.web.access import Access, principal
from ringback.web.pages import HTML, page_context, wants_page
from ringback.web.queries import load

OWNER = frozenset({"owner"})
TRANSFER_ACCESS: Access = {"transfer.export": OWNER, "transfer.begin_import": OWNER, "transfer.import_": OWNER}
CSV = "text/csv"
# How a browser sends a file.
UPLOAD = "multipart/form-data"
# Of what is not new, so many rows are told one by one.
MOST_TOLD = 1000
HTML_UTF8 = f"{HTML}; charset=utf-8"
LARGEST_FILE = 16 * 1024 * 1024


class ImportQuery(Schema):
    class Meta:
        unknown = RAISE

    dry_run = fields.Boolean(load_default=False)


def transfer_blueprint(importing: Importing, database: Database) -> Blueprint:
    routes = Blueprint("transfer", __name__)

    @routes.url_value_preprocessor
    def let_files_be_large(endpoint: str | None, _values: object) -> None:
        """Before anything reads the form: its token is looked at first."""
        if endpoint == "transfer.import_":
            request.max_content_length = LARGEST_FILE

    @routes.get("/customers/export")
    def export() -> Response:
        """All customers, streamed; no cell is a formula to a spreadsheet."""
        found = map(CustomerSchema().dump, store.all_customers(database, principal().business))
        response = Response(lines(found), content_type=f"{CSV}; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="customers.csv"'
        return response

    @routes.get("/customers/import")
    def begin_import() -> Response:
        """What the columns of a file are known by."""
        return jsonify(columns=SYNONYMS, largest_file=LARGEST_FILE)

    @routes.post("/customers/import")
    def import_() -> Response:
        """A CSV file as the body; who is there already is left alone. `?dry_run=true` changes nothing."""
        dry_run = load(ImportQuery(), request.form if _is_upload() else request.args)["dry_run"]
        try:
            report = importing.run(principal().business, rows(_table(), {}), dry_run=dry_run)
        except BadFile as error:
            raise Invalid(str(error), code="bad_file", errors=_of_upload(str(error))) from error
        return _report_page(report, dry_run=dry_run) if _is_upload() else jsonify(_dump(report))

    return routes


def _is_upload() -> bool:
    """A person's form; it is answered by what came of it, which no other page could show."""
    return request.mimetype == UPLOAD and wants_page()


def _report_page(report: Report, *, dry_run: bool) -> Response:
    values = {"data": {"columns": SYNONYMS}, "report": {"dry_run": dry_run, **_dump(report)}, "said": ""}
    return Response(render_template("import.html", **page_context(), **values), content_type=HTML_UTF8)


def _of_upload(message: str) -> dict[str, list[str]]:
    """Beside the field of the form; a program sends nothing but the file."""
    return {"file": [message]} if _is_upload() else {}


def _table() -> io.StringIO:
    if _is_upload():
        return _text_of(request.files["file"].read() if "file" in request.files else b"")
    if request.mimetype != CSV:
        raise UnsupportedMediaType(f"The body has to be CSV, with Content-Type: {CSV}.")
    return _text_of(request.get_data())


def _text_of(content: bytes) -> io.StringIO:
    return io.StringIO(content.decode("utf-8-sig", "replace"), newline="")


def _dump(report: Report) -> dict[str, object]:
    told = [
        {"line": one.line, "outcome": one.outcome, "customer_id": one.customer_id, "why": one.why}
        for one in report.notable[:MOST_TOLD]
    ]
    return {"counts": dict(report.counts), "rows": told}
