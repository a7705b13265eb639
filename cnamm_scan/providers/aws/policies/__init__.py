"""What AWS policies mean: documents in, meaning out. Nothing here reads or writes anything, or knows the rest of the house."""
