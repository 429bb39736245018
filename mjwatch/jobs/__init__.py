"""The life of a job. Pure: a table of transitions, intake, follow-ups, pacing, and texts on the state."""
