"""Clients that others wrote, each run as its own program against the simulator."""
