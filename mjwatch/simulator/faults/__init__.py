"""Faults that a test or a person arms, and what they do to answers, downloads and jobs."""
