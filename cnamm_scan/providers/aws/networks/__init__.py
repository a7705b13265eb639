"""Who can reach what in a VPC: security groups, network ACLs and routes, evaluated. Knows no rows and no engine."""
