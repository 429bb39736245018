"""A pretend Discord with a pretend Midjourney, as a program of its own.

It imports discord.protocol and nothing else of mjwatch, so that it cannot share a misreading.
"""
