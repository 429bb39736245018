"""Threads that carry out effects: send, collect results, notify. The outcome of an effect is an event."""
