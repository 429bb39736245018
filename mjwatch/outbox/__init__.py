"""Publishing: job folders with their manifest, and ``status.json`` for the far end of a sync."""
