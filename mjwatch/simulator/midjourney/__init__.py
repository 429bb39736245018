"""The simulated bot: handlers of interactions, the render queue and the life of a render job."""
