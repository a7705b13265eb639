"""What Azure's documents come to: roles and their conditions, denials, network rules."""
