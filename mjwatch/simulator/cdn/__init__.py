"""The simulated CDN: pictures are drawn, stored, signed and served."""
