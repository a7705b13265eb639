"""A bed to try the scanner in without a cloud: moto, a proxy that injects faults, and an imperfect estate."""
