"""customer: a record for every caller, with its history; lookups."""
