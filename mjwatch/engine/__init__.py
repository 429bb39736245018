"""The event loop and what it decides with. No I/O but the journal: effects are carried out in workers/."""
