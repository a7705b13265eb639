"""An embedded organization of Google Cloud: a bed that knows no estate, and an estate that is data."""
