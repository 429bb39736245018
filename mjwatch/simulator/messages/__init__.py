"""What the simulated bot writes: messages, buttons, modals, notices, and how the years differ."""
