"""What is refused at the door of the API: policies, labels and webhooks in, one answer for each offence out. Knows no rows and no engine.

>>> from cnamm_scan.providers.kubernetes.policies.admission import NEW, Answer, PodSecurity, refused
>>> refused("privileged", NEW, [PodSecurity()])
<Answer.NO: 'no'>

`questions` says what is asked, `decide` answers; guards are `cel_policies` (the API server's own policies), `kyverno`, `gatekeeper`,
`pod_security` and `webhooks` that nobody can see into. Expressions are worked out over objects that are known in part (`values`, `cel`,
`jmespath`, `kyverno_patterns`), so that "refused" holds for every object that commits the offence.
"""

from cnamm_scan.providers.kubernetes.policies.admission.cel_policies import BoundPolicy
from cnamm_scan.providers.kubernetes.policies.admission.decide import NEW, Answer, Door, refused
from cnamm_scan.providers.kubernetes.policies.admission.pod_security import PodSecurity
from cnamm_scan.providers.kubernetes.policies.admission.requests import Place, Request

__all__ = ["NEW", "Answer", "BoundPolicy", "Door", "Place", "PodSecurity", "Request", "refused"]
