"""The wing of Kubernetes: clusters, and manifests that are given instead of one."""
