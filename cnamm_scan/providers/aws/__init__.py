"""The wing of AWS."""
