"""Tables that are made of collected facts by evaluating policies: the bridge between collected rows and `policies/`, which knows none."""
