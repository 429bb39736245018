"""Publish job folders with their manifest and pages, and ``status.json``, for the far end of a sync."""
