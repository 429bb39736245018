"""``mjwatch shell``: a prompt at which each line is queued, with a view of what becomes of it."""
