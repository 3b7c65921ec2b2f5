"""gunicorn for every service; what differs stands in SERVICES. Measured: docs/adr/0031-images-and-compose.md."""

import os

# threads, and after how many requests a worker makes room for a fresh one (0: never).
SERVICES = {
    # Where somebody waits on the line. Concurrent webhooks share an insert: many threads in one process do more than
    # the same number in several. Its one worker is never replaced: that would be a second of silence.
    "call-ingest": (64, 0),
    "customer": (8, 50_000),
    "pipeline": (8, 50_000),
    "recovery": (8, 50_000),
    "notifier": (8, 50_000),
}

threads, max_requests = SERVICES[os.environ["RINGBACK_SERVICE"]]
max_requests_jitter = max_requests // 5

bind = "0.0.0.0:8080"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "gthread"
# Each worker makes its connections for itself, after the fork.
preload_app = False
# The gateway makes a connection a request; whoever calls directly keeps one for a while.
keepalive = 5
# What is asked is answered within 25 of the 30 seconds that a container has to end.
graceful_timeout = 25
# A worker that does not turn its loop for so long is stuck; a slow request alone does not count.
timeout = 30
backlog = 1024
# Memory, not a disk: a heartbeat must not wait for one.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - as gunicorn's documentation has it for containers
control_socket_disable = True
accesslog = None
errorlog = "-"
