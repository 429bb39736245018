"""The life of a job. Pure: table of transitions, intake of prompt files, follow-ups, pacing, texts."""
