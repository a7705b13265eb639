"""Azure: subscriptions, read through Resource Manager and Resource Graph."""
