"""onebox: every service in one process, on an embedded MongoDB; and the commands that need them."""
