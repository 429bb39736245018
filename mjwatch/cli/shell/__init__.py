"""``mjwatch shell``: a prompt at which each line is queued at once, with the jobs' progress above it."""
