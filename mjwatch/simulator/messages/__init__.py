"""What the simulated bot writes: messages, buttons, forms, notices, and how the years differ."""
