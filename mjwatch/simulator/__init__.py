"""A simulated Discord with a simulated Midjourney, as a separate program.

It imports only discord.protocol of mjwatch, so that it can't share a misunderstanding with it.
"""
