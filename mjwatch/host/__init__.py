"""The machine: systemd, log, locks, permissions, and how a daemon is found and woken."""
