"""What a message of the bot says, read tolerantly. Pure. Whose it is: midjourney/matching/."""
