"""Settings and secrets: the sections, the validators, and the sources of the keys. config.py joins them."""
