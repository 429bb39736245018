"""Play what the wire said to one job, from a bundle, in place of the simulated bot."""
