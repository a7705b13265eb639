"""Asset Inventory by gRPC, the services' REST APIs and the signing in, as far as a reader sees them."""
