"""Whom policies over traffic let reach a pod, and whom it may reach: policies of Kubernetes and of its network products, evaluated."""
