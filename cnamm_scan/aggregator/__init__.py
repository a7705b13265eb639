"""Pure arithmetic over model types: the score, and what to do next."""
