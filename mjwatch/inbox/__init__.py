"""From a change on disk to a prompt file that the engine gets. Turning a file into jobs is in jobs/."""
