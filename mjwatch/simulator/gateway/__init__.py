"""The simulated gateway: sessions, resume, dispatches, compression."""
