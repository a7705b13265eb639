"""The same scan, rendered for people and for machines."""
