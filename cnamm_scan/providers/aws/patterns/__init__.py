"""What choices over events mean: selectors of trails and patterns of event rules, evaluated. No I/O; the bridge to tables is `made/`."""
