"""Installing Layby: its image in a real Docker engine, its chart by a real helm: `tox -e install`."""
