"""Functions that make a view's rows out of collected tables."""
