"""The HTTP side that services share: app factory, problems, access, health."""
