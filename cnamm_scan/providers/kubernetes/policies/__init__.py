"""What Kubernetes' policies mean: objects in, meaning out. Nothing here reads or writes anything, or knows the rest of the house."""
