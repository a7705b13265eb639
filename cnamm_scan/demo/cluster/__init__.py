"""The demo's Kubernetes cluster: a bed (an API server) and the estate that stands in it, which is data."""
