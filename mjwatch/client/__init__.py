"""Asks a running daemon for something, or runs the engine in this process where no daemon runs."""
