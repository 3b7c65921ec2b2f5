"""The event bus over kombu: RabbitMQ, or the embedded transport on MongoDB, with the same promises."""
