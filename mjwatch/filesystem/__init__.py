"""Durable writes, reads that follow no link, portable names, and what a folder allows."""
