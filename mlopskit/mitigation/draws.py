"""Chance that can be repeated: a number between 0 and 1 that follows from a row's own values and a seed.

Rules of fairlearn decide some rows by lot. A lot drawn from a generator depends on which rows come before, so the same
person could be told yes in one request and no in the next. Here the number is a hash of the seed and of what the
model sees of the row. It is spread like any random number, but the same row always gets the same one: in a notebook,
in a table of thousands and from a server one row at a time. Rows that are alike in all that the model sees are decided
alike; another seed decides anew.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

DIGITS = 6
"""Decimals of a prepared value that count: what differs by less is the same row computed on another machine."""


def dense_rows(X: Any) -> npt.NDArray[np.float64]:
    """Return rows as a plain array; text makes sparse ones."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)


def row_draws(X: Any, *, seed: int) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) for each row, a function of the seed and the row's values.

    Parameters
    ----------
    X : array_like, shape (n, columns)
        Prepared rows; may be sparse.
    seed : int
        0 or more.

    Examples
    --------
    >>> together = row_draws([[1.0, 2.0], [3.0, 4.0]], seed=0)
    >>> together[1] == row_draws([[3.0, 4.0]], seed=0)[0], together[1] == row_draws([[3.0, 4.0]], seed=1)[0]
    (np.True_, np.False_)
    """
    values = np.round(dense_rows(X), DIGITS) + 0.0  # −0 becomes 0
    values[np.isnan(values)] = np.nan  # one of the many ways to write it
    key = int(seed).to_bytes(16, "little")
    digests = b"".join(blake2b(row.tobytes(), digest_size=8, key=key).digest() for row in values.astype("<f8"))
    return np.asarray((np.frombuffer(digests, dtype="<u8") >> 11) / 2.0**53, dtype=np.float64)
