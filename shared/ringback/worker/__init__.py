"""What runs behind a service: loops that consume, relay and keep time, and their clean end."""
