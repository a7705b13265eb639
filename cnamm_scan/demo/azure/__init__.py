"""An embedded tenant of Azure: a bed that knows no estate, and an estate that is data."""
