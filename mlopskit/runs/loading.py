"""How a run's artefacts become values again."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit import artefacts

if TYPE_CHECKING:
    from mlopskit.runs.run import Run


class Loader:
    """Reads the files of one run; a model that is read again is copied, as checking its types costs more than all else.

    Parameters
    ----------
    run : Run
        Whose project may have estimators of its own.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._last: tuple[str, Any] | None = None

    def load(self, path: Path, sha256: str) -> Any:
        """Return the value in a file with this hash, never an object that was returned before."""
        if path.suffix != ".skops":
            return artefacts.read(path)
        if self._last is None or self._last[0] != sha256:
            self._last = sha256, self._model(path)
        return copy.deepcopy(self._last[1])

    def _model(self, path: Path) -> Any:
        """Read a model; it may also hold the estimators that the project itself names as candidates."""
        try:
            return artefacts.read(path)
        except artefacts.UntrustedModelError:
            if str(self._run.project) not in sys.path:
                sys.path.insert(0, str(self._run.project))
            return artefacts.load_model(path, also_trust=self._run.scope.model.own_types)
