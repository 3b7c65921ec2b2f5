"""Prepares what the services find when they start: replica set, users, permissions, topology, indexes.

Every command is idempotent and is run with each installation and upgrade, before the services.
"""
