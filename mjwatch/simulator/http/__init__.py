"""The simulated REST API: interactions, history, messages, uploads, command index."""
