"""call-ingest: Twilio's webhooks in, raw requests kept, TwiML out, `call.*` events folded from them."""
