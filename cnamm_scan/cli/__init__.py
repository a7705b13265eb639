"""The click commands: the only place that wires the parts together."""
