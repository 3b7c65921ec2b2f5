"""What call-ingest is measured beside, as `gunicorn "tests.bench.peers:plain()"`."""

import os
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from kombu import Connection, Exchange, Producer
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern
from twilio.request_validator import RequestValidator

EXCHANGE = "bench"
QUEUE = "bench"
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response><Dial><Number>+15551230001</Number></Dial></Response>'


def empty() -> Flask:
    """A handler that does nothing: the cost of the web server and Flask alone."""
    app = Flask("empty")
    app.add_url_rule("/twilio/voice", "voice", lambda: _xml("<Response/>"), methods=["POST"])
    return app


def plain() -> Flask:
    """The same durable work, one request at a time: check the signature, insert, publish, answer."""
    app = Flask("plain")
    validator = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
    url = os.environ["RINGBACK_PUBLIC_URL"] + "/twilio/voice"
    store = MongoClient[dict[str, Any]](os.environ["RINGBACK_MONGO_URL"])
    journaled = WriteConcern(w="majority", j=True)
    calls = store["bench_plain"].get_collection("calls", write_concern=journaled)
    publish = publisher(os.environ["RINGBACK_BUS_URL"])

    def voice() -> Response:
        form = request.form
        if not validator.validate(url, form, request.headers.get("X-Twilio-Signature", "")):
            return Response(status=403)
        document = form.to_dict()
        calls.insert_one({"_id": document["CallSid"], **document})
        publish(document)
        return _xml(TWIML)

    app.add_url_rule("/twilio/voice", "voice", voice, methods=["POST"])
    return app


def publisher(bus_url: str) -> Callable[[dict[str, str]], None]:
    """Publishes with a confirm for each message, on one connection a thread."""
    mine = threading.local()

    def publish(document: dict[str, str]) -> None:
        if not hasattr(mine, "producer"):
            connection = Connection(bus_url, transport_options={"confirm_publish": True})
            mine.producer = Producer(connection.channel(), Exchange(EXCHANGE, "topic", durable=True))
        mine.producer.publish(document, routing_key="call.started", delivery_mode=2, confirm_timeout=5)

    return publish


def _xml(document: str) -> Response:
    return Response(document, content_type="text/xml; charset=utf-8")
