"""Who may do what in a cluster, and who can come to more: RBAC evaluated as the API server does, in three values.

True and False are certain, None hangs on what was not seen. `cluster.py` joins the roles of a subject, `ways.py` and `steps.py` know how
rights are raised, `raising.py` where that leads. Written from https://kubernetes.io/docs/reference/access-authn-authz/rbac/ and the pages
that are named beside each way.
"""
