"""Leads on a board, automations and outbound webhooks."""
