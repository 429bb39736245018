"""Splitting grids, thumbnails, and the metadata in pictures. No network."""
