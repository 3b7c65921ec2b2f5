"""Webhooks that a business's own systems receive: endpoints, signed deliveries, retries."""
