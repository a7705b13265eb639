"""The bed of the cluster: a fake API server, its controllers, and the reader of manifests. Knows no estate."""
