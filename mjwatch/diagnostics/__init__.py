"""Whether the installation works (check), and what to attach to a bug report (bundle, config report)."""
