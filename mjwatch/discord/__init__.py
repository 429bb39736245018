"""Discord: the protocol and the gateway session (pure), WebSocket, HTTP, downloads and uploads.

What Midjourney says in it is read in midjourney/.
"""
