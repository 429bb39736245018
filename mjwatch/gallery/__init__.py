"""The static gallery in the outbox: its page, its data files and its thumbnails."""
