"""Tables that are made of collected objects by evaluating policies: the bridge between rows and the evaluators, which know none."""
