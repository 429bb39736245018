"""Discord: the protocol and the gateway session (pure), WebSocket, HTTP, downloads and uploads.

The package midjourney reads what the bot says in it.
"""
