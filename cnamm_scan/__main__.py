"""`python -m cnamm_scan`: the same as `cnamm-scan`."""

from cnamm_scan.cli.main import main

main()
