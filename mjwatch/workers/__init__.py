"""Threads that carry out effects: send, collect results, notify. What came of an effect is an event."""
