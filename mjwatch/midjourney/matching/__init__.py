"""Which job a message belongs to, by ids first. Pure."""
