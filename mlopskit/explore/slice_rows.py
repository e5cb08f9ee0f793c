"""The rows of a slice, from the run that described it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlopskit.errors import RunError
from mlopskit.evaluate import slice_features, slice_rows
from mlopskit.explore.evidence import grouped_rows, settings
from mlopskit.explore.slice_table import mapping_of
from mlopskit.runs import Run


class SliceRows:
    """Rows of the slices of a run, which is read when they are first asked for.

    Parameters
    ----------
    run : Run
        Whose slices they are.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read: Any = None

    def __call__(self, name: str, n: int) -> pd.DataFrame:
        """Return the validation rows of a slice in words, if that gives its `n` rows.

        Raises
        ------
        RunError
            When it does not, or the run lacks what is read.
        """
        if self._read is None:
            data = grouped_rows(self._run)
            options: dict[str, Any] = settings(self._run)
            self._read = data, slice_features(data, self._run.read("data/preparation"), **options)
        data, features = self._read
        mapping = mapping_of(name, features.validation, n=n)
        if mapping is None:
            raise RunError(
                f"The rows of {name!r} cannot be told from this run: other settings or another version described them. "
                "Make the run again, or call `slice_rows` in the slices notebook."
            )
        return slice_rows(data, features, pd.DataFrame({"slice": [name], "columns": [mapping]}), 1)
