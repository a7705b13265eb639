"""The bed of the account: moto's server, a proxy that injects faults, and answers where moto has none. Knows no estate."""
