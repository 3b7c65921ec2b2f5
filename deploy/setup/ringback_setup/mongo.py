"""MongoDB: the replica set, an administrator, and for each service a user that knows its own database alone.

The first run goes through MongoDB's localhost exception, so it has to be where mongod is: in the same network
namespace. Later runs sign in as the administrator.
"""

import os
from typing import Any

import structlog
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from ringback.errors import Transient
from ringback_setup.secret_files import address, secret
from ringback_setup.services import SERVICES, database_name
from ringback_setup.waiting import patiently

Client = MongoClient[dict[str, Any]]

ADMIN = "ringback-admin"
REPLICA_SET = "ringback"
# What a service does to its own collections. It drops none.
ACTIONS = ("find", "insert", "update", "remove", "createCollection", "createIndex", "listCollections", "listIndexes")
ALREADY_INITIALIZED, ALREADY_THERE, UNAUTHORIZED, AUTHENTICATION_FAILED = 23, (51002, 51003), 13, 18
LOCAL = "mongodb://127.0.0.1:27017/?directConnection=true"

log = structlog.get_logger(__name__)


def prepare() -> None:
    password = secret("mongo_admin_password")
    with _client() as nobody:
        patiently(lambda: _initiate(nobody))
        patiently(lambda: _primary(nobody))
        _make_admin(nobody, password)
    with _client(username=ADMIN, password=password) as admin:
        for service in SERVICES:
            _make_user(admin, service)
    log.info("setup.mongo_ready", users=len(SERVICES))


def _client(username: str | None = None, password: str | None = None) -> Client:
    url = os.environ.get("RINGBACK_SETUP_MONGO", LOCAL)
    return MongoClient(url, timeoutMS=10_000, connectTimeoutMS=2000, username=username, password=password)


def _initiate(client: Client) -> None:
    member = {"_id": 0, "host": os.environ.get("RINGBACK_SETUP_MEMBER", "mongo:27017")}
    try:
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        log.info("setup.replica_set_initiated")
    except OperationFailure as error:
        # Not for nobody any more: then it was done, and has an administrator.
        if error.code not in (ALREADY_INITIALIZED, UNAUTHORIZED):
            raise Transient(f"MongoDB does not initiate its replica set ({error.code}).") from error
    except ConnectionFailure as error:
        raise Transient(f"MongoDB is not there yet ({type(error).__name__}).") from error


def _primary(client: Client) -> None:
    try:
        hello = client.admin.command("hello")
    except PyMongoError as error:
        raise Transient(f"MongoDB does not answer ({type(error).__name__}).") from error
    if not hello.get("isWritablePrimary"):
        raise Transient("MongoDB is not primary yet.")


def _make_admin(client: Client, password: str) -> None:
    roles = ["userAdminAnyDatabase", "clusterAdmin"]
    try:
        client.admin.command("createUser", ADMIN, pwd=password, roles=roles)
        log.info("setup.administrator_made")
    except OperationFailure as error:
        if error.code not in (UNAUTHORIZED, *ALREADY_THERE):
            raise


def _make_user(admin: Client, service: str) -> None:
    """User and role as they have to be, whatever they were: a password that was changed is changed here."""
    place = address(f"{service}_mongo_url")
    role = f"{service}-only"
    privileges = [{"resource": {"db": database_name(service), "collection": ""}, "actions": list(ACTIONS)}]
    _make(admin, "Role", role, privileges=privileges, roles=[])
    _make(admin, "User", place.username or "", pwd=place.password, roles=[role])


def _make(admin: Client, kind: str, name: str, **said: Any) -> None:
    try:
        admin.admin.command(f"create{kind}", name, **said)
    except OperationFailure as error:
        if error.code not in ALREADY_THERE:
            raise
        admin.admin.command(f"update{kind}", name, **said)
