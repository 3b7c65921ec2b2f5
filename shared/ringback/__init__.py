"""What every Ringback service stands on: contracts, bus, store, web, worker. It knows no service."""
