import sys, time
sys.path.insert(0,'/work/main/tests/scan')
from test_faults import *
def test_x(whole, scans):
    for k,v in whole.verdicts.items():
        if v=='unknown': print(k, whole.reasons[k])
    print([ (c.region,c.table,c.status,c.code) for c in whole.coverage if c.status!='ok'])
    for i in range(3):
        t=time.time(); scans(i); print(time.time()-t)
    s=scans(0)
    for k,v in s.verdicts.items():
        if whole.verdicts.get(k)!=v: print(k,v,s.reasons[k])
    from collections import Counter
    print(Counter((c.service,c.operation) for c in s.calls))
