"""The queue of missed calls, and texts back."""
