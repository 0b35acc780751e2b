"""Installing Layby: its image by a real Docker engine, its chart by a real helm."""
