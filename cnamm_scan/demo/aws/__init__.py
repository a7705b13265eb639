"""The demo's AWS account: a bed (moto as a child process, a proxy with faults) and the estate that stands in it."""
