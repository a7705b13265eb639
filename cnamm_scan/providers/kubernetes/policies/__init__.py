"""What policies of a cluster mean, one theme a room: no rows and no engine in here, each usable alone."""
