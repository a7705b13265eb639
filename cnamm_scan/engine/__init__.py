"""The machinery: plan, collect, store, evaluate. Knows no provider and no opinion."""
