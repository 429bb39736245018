"""Midjourney: packets and requests to its bot, and what the bot's messages mean for which job. Pure."""
