"""`python -m ringback_setup mongo|broker|indexes|definitions`."""

import sys
from collections.abc import Callable, Mapping

from ringback.errors import RingbackError
from ringback.telemetry import configure_logging
from ringback_setup import broker, definitions, indexes, mongo

COMMANDS: Mapping[str, Callable[[], None]] = {
    "mongo": mongo.prepare,
    "broker": broker.prepare,
    "indexes": indexes.prepare,
    "definitions": definitions.show,
}


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        raise SystemExit(f"usage: python -m ringback_setup {'|'.join(COMMANDS)}")
    configure_logging()
    try:
        COMMANDS[arguments[0]]()
    except RingbackError as error:
        raise SystemExit(error.message) from error


if __name__ == "__main__":
    main(sys.argv[1:])
