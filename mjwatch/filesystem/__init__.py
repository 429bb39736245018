"""Files and folders without following links, durable writes, portable names, and probes of folders."""
