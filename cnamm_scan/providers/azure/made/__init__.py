"""Tables that the wing makes of collected ones."""
