"""The version of mjwatch, for the package metadata and for everything that names it."""

__version__ = "0.1.0"
