"""Settings and secrets: sections, validators, and where each key is found. config.py joins them."""
