"""Split grids, make thumbnails, and write metadata into pictures. No network."""
