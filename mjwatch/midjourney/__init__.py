"""What the bot is sent (packets, requests) and what its messages mean for which job. Pure."""
