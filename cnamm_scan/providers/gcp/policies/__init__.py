"""What Google Cloud's policies mean: allow and deny policies, firewalls, constraints, federation."""
