"""Rules of a business: when this happens, and that holds, do these things."""
