"""The bundle: what was asked, what came back, what could not be seen, and the proof that none of it changed."""
