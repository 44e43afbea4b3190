"""Shop platforms, one module each, found by the entry point group `lengow.adapters`."""
