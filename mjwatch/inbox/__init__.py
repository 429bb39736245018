"""From a change on disk to a file that is handed to the engine. Turning a file into jobs is in jobs/."""
