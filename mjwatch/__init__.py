"""Drop prompt files into a folder, get Midjourney pictures and a manifest in another."""

__version__ = "0.1.0"
