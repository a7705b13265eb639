"""Microsoft Entra, Resource Manager and Resource Graph as far as a reader sees them."""
