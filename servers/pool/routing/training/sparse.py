"""Least squares over sparse rows in numpy, for training only: the pool never imports it."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Row: TypeAlias = tuple[Sequence[int] | NDArray[np.int32], Sequence[float] | Floats]
"""A row's columns and their values."""


class Rows:
    """Sparse rows, kept by row and by column; no row may be empty.

    `rows` are pairs of columns and values; `width` is how many columns there are.
    """

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        lengths = np.array([len(columns) for columns, _ in rows])
        self.width, self.count = width, len(rows)
        self.columns = np.concatenate([np.asarray(columns, np.int32) for columns, _ in rows])
        self.values = np.concatenate([np.asarray(values, np.float32) for _, values in rows])[:, None]
        self.starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        order = np.argsort(self.columns, kind="stable")
        self._rows = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)[order]
        self._values = self.values[order]
        self._used, self._starts = np.unique(self.columns[order], return_index=True)

    def times(self, weights: Floats) -> Floats:
        """(rows, outputs) for weights (columns, outputs)."""
        return np.add.reduceat(self.values * weights[self.columns], self.starts)

    def transposed_times(self, errors: Floats) -> Floats:
        """(columns, outputs) for errors (rows, outputs)."""
        sums = np.zeros((self.width, errors.shape[1]), np.float32)
        sums[self._used] = np.add.reduceat(self._values * errors[self._rows], self._starts)
        return sums


def fit_ridge(rows: Rows, targets: Floats, weights: Floats, *, penalty: float, steps: int = 60) -> Floats:
    """Weights (columns, outputs) that minimise the weighted squared error to `targets` (rows, outputs) plus
    `penalty` a row times their squared length.

    `weights` (rows) say how much each row counts. Conjugate gradients on the normal equations (Hestenes and
    Stiefel 1952), one system an output; they stop after `steps`, which regularises a little more.
    """
    share = weights[:, None].astype(np.float32)
    ridge = np.float32(penalty * rows.count)

    def normal(x: Floats) -> Floats:
        image = rows.transposed_times(share * rows.times(x)) + ridge * x
        return image.astype(np.float32, copy=False)

    residual = rows.transposed_times(share * targets)
    found, direction = np.zeros_like(residual), residual.copy()
    size = (residual**2).sum(axis=0)
    for _ in range(steps):
        image = normal(direction)
        step = size / np.maximum((direction * image).sum(axis=0), 1e-20)
        found += step * direction
        residual -= step * image
        smaller = (residual**2).sum(axis=0)
        direction = residual + smaller / np.maximum(size, 1e-20) * direction
        size = smaller
    return found
