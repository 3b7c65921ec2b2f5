"""MongoDB as the write path needs it: one transaction for documents, inbox and outbox."""
