"""What a model's low bounds would be, were some objectives otherwise: only the practices that these touch are added up again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cnamm_scan.aggregator.score import UNIT, Cell, Found, Scorer, staged
from cnamm_scan.model import Function, Model


class WhatIf:
    """A scored model that remembers what its parts came to. Values are in units."""

    def __init__(self, scorer: Scorer, model: Model) -> None:
        self.scorer = scorer
        self._model = model
        self._drags = scorer.drags(model)
        self._most = sum(most for _, most in self._drags.values())
        self._touched: dict[str, list[tuple[int, int]]] = {}
        """Objective -> where it is asked for: (function, practice) by number."""
        self.cells: list[list[list[Cell]]] = []
        """Function, practice -> its levels as they stand."""
        self._lows: list[list[int | None]] = []
        for at, function in enumerate(model.functions):
            self.cells.append([scorer.cells(practice) for practice in function.practices])
            self._lows.append([_low(cells) for cells in self.cells[-1]])
            for own, practice in enumerate(function.practices):
                for name in {placed.objective for placed in practice.placements}:
                    self._touched.setdefault(name, []).append((at, own))
        self._functions = [_mean(lows) for lows in self._lows]
        self.overall = self._overall(self._functions, self._most)
        """The low bound as it stands; 0 where nothing applies."""

    def function(self, number: int) -> int:
        """The low bound of a function as it stands; 0 where nothing of it applies."""
        return self._functions[number] or 0

    def changed(self, found: Mapping[str, Found]) -> tuple[int, dict[int, int]]:
        """The low bound overall, and of each function that is touched, by its number: were these objectives as they are given."""
        lows: dict[int, list[int | None]] = {}
        for at, own in sorted({place for name in found for place in self._touched.get(name, ())}):
            practice = self._model.functions[at].practices[own]
            lows.setdefault(at, list(self._lows[at]))[own] = _low(self.scorer.cells(practice, found))
        after = {at: _mean(own) for at, own in lows.items()}
        most = self._most + sum(each.most - self._drags[name][1] for name, each in found.items() if name in self._drags)
        functions = [after.get(at, before) for at, before in enumerate(self._functions)]
        return self._overall(functions, most), {at: low or 0 for at, low in after.items()}

    def cells_met(self, function: Function, met: Collection[str]) -> list[list[Cell]]:
        """A function's levels, were some objectives fully met."""
        satisfied = {name: self.scorer.found[name].satisfied() for name in met}
        return [self.scorer.cells(practice, satisfied) for practice in function.practices]

    def _overall(self, functions: Sequence[int | None], most: int) -> int:
        weighed = [
            (self.scorer.function_weight(function.id), low)
            for function, low in zip(self._model.functions, functions, strict=True)
            if low is not None
        ]
        total = sum(weight for weight, _ in weighed)
        if not total:
            return 0
        taken = most // (2 * len(self._drags)) if self._drags else 0
        return sum(weight * low for weight, low in weighed) // total * (UNIT - taken) // UNIT


def _low(cells: Sequence[Cell]) -> int | None:
    bounds = staged(cells)
    return None if bounds is None else bounds.low


def _mean(lows: Sequence[int | None]) -> int | None:
    known = [low for low in lows if low is not None]
    return sum(known) // len(known) if known else None
