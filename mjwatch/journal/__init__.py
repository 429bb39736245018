"""The SQLite journal: one writer, many readers, requests from the CLI, migrations and maintenance."""
