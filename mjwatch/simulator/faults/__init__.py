"""Faults that a test or a person arms, and their effects on answers, downloads and jobs."""
