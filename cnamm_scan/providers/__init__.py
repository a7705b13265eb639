"""The only importers of cloud SDKs; each module is imported when a target asks for it."""
