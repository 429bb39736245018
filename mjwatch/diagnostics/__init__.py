"""Whether everything is in place (check), and what to attach to a bug report (bundle, config report)."""
