"""Durable writes, reads that follow no link, portable names, and probes of what a folder allows."""
