"""Credentials that end while we scan: renewed once, however many threads they failed, and never where newer ones would be no better."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError

Answer = TypeVar("Answer")

NOT_RENEWED = "NotRenewed"
"""The code of credentials that were to be renewed and were not: nothing more is tried."""


class Renewing:
    """What is asked with one set of credentials, from many threads."""

    def __init__(self, renew: Callable[[], bool]) -> None:
        """`renew` gets newer credentials, and says whether it did; it may raise CallFailedError. It is called under the lock."""
        self.lock = threading.Lock()
        """For whoever reads credentials that a renewal may be writing."""
        self._renew = renew
        self._generation = 0
        """How often credentials were renewed; those of a generation are renewed once."""
        self._is_accepted = False
        """Whether those of this generation were taken at least once: else newer ones would be no better."""

    def ask(self, call: Callable[[], Answer]) -> Answer:
        """What a call says; it is made once more where its credentials are no longer taken and there are newer ones.

        Raises CallFailedError.
        """
        generation = self._generation
        try:
            return self._heard(call)
        except CallFailedError as failure:
            if failure.reason is not Reason.CREDENTIALS or failure.code == NOT_RENEWED or not self._newer(generation):
                raise
        return self._heard(call)

    def _heard(self, call: Callable[[], Answer]) -> Answer:
        """A call; whatever comes of it but a refusal of the credentials shows that those that it began with are taken."""
        generation = self._generation
        try:
            answer = call()
        except CallFailedError as failure:
            self._is_accepted |= failure.reason is not Reason.CREDENTIALS and generation == self._generation
            raise
        self._is_accepted |= generation == self._generation
        return answer

    def _newer(self, generation: int) -> bool:
        """Whether there are newer credentials than those of a generation, which were just refused. Raises CallFailedError."""
        with self.lock:
            if self._generation != generation:
                return True
            if not self._is_accepted:
                return False
            self._is_accepted = False
            if not self._renew():
                return False
            self._generation += 1  # last: who takes himself for one of the new generation must not be sent the old credentials
            return True
