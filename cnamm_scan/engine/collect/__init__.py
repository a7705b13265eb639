"""Asks a connection what a plan needs: pages, parts of items, listings beneath items; facts and gaps stream out as they come."""

from cnamm_scan.engine.collect.calls import moment
from cnamm_scan.engine.collect.collection import Collected, TargetCollected, collect
from cnamm_scan.engine.collect.listings import Progress
from cnamm_scan.engine.collect.rows import GLOBAL, FactWriter

__all__ = ["GLOBAL", "Collected", "FactWriter", "Progress", "TargetCollected", "collect", "moment"]
