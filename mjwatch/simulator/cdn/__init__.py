"""The simulated CDN: pictures are rendered, stored, signed and served."""
