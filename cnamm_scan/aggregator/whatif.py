"""What a model's low bounds would be, were some objectives otherwise: only the practices that these touch are added up again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cnamm_scan.aggregator.score import Cell, Found, Scorer, Units, held, mean_of, staged
from cnamm_scan.model import Function, Model


class WhatIf:
    """A scored model that remembers what its parts came to. Values are in units."""

    def __init__(self, scorer: Scorer, model: Model) -> None:
        self.scorer = scorer
        self._model = model
        self._drags = scorer.drags(model)
        self._touched: dict[str, list[tuple[int, int]]] = {}
        """Objective -> where it is asked for: (function, practice) by number."""
        self.cells: list[list[list[Cell]]] = []
        """Function, practice -> its levels as they stand."""
        self._practices: list[list[Units | None]] = []
        for at, function in enumerate(model.functions):
            self.cells.append([scorer.cells(practice) for practice in function.practices])
            self._practices.append([staged(cells) for cells in self.cells[-1]])
            for own, practice in enumerate(function.practices):
                for name in {placed.objective for placed in practice.placements}:
                    self._touched.setdefault(name, []).append((at, own))
        self._functions = [mean_of(practices) for practices in self._practices]
        self.overall = self._overall(self._functions, self._drags)
        """The low bound as it stands; 0 where nothing applies."""

    def function(self, number: int) -> int:
        """The low bound of a function as it stands; 0 where nothing of it applies."""
        return _low(self._functions[number])

    def changed(self, found: Mapping[str, Found]) -> tuple[int, dict[int, int]]:
        """The low bound overall, and of each function that is touched, by its number: were these objectives as they are given."""
        practices: dict[int, list[Units | None]] = {}
        for at, own in sorted({place for name in found for place in self._touched.get(name, ())}):
            practice = self._model.functions[at].practices[own]
            practices.setdefault(at, list(self._practices[at]))[own] = staged(self.scorer.cells(practice, found))
        after = {at: mean_of(own) for at, own in practices.items()}
        functions = [after.get(at, before) for at, before in enumerate(self._functions)]
        drags = self._drags | {name: (each.least, each.most) for name, each in found.items() if name in self._drags}
        return self._overall(functions, drags), {at: _low(bounds) for at, bounds in after.items()}

    def met(self, objectives: Iterable[str]) -> dict[str, Found]:
        """These objectives, were they fully met."""
        return {name: self.scorer.found[name].satisfied() for name in objectives}

    def cells_met(self, function: Function, objectives: Iterable[str]) -> list[list[Cell]]:
        """A function's levels, were some objectives fully met."""
        found = self.met(objectives)
        return [self.scorer.cells(practice, found) for practice in function.practices]

    def _overall(self, functions: Sequence[Units | None], drags: Mapping[str, tuple[int, int]]) -> int:
        whole = self.scorer.whole(self._model, functions)
        return 0 if whole is None else held(whole, list(drags.values()))[0].low


def _low(bounds: Units | None) -> int:
    return 0 if bounds is None else bounds.low
