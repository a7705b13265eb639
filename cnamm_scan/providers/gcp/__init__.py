"""Google Cloud: projects, folders and organisations, read from Cloud Asset Inventory and the APIs of services."""
