"""What AWS policies mean: documents in, meaning out. Nothing here reads or writes anything, or knows the rest of the house.

>>> from cnamm_scan.providers.aws.policies import Setting, reach, read
>>> grant = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
>>> reach(read({"Version": "2012-10-17", "Statement": [grant]}), Setting("111111111111")).reach.value
'anybody'

`documents` reads a policy, `evaluate` says whom it admits, `questions` and `buckets` what else is asked of it; `rights` says what
a principal holds, `escalation` by which of `ways` it could hold more, `assuming` who can become whom; `facts` makes rows of all that.
"""

from cnamm_scan.providers.aws.policies.admission import Admission, Reach
from cnamm_scan.providers.aws.policies.documents import Document, Statement, read
from cnamm_scan.providers.aws.policies.evaluate import admit, reach
from cnamm_scan.providers.aws.policies.rights import Need, Rights, decide
from cnamm_scan.providers.aws.policies.setting import Place, Setting, Truth

__all__ = ["Admission", "Document", "Need", "Place", "Reach", "Rights", "Setting", "Statement", "Truth", "admit", "decide", "reach", "read"]
