"""A notebook is saved while it runs, at a cost that does not grow with its cells."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from mlopskit.runner import execution
from mlopskit.runner.kernels import Setting
from tests import tiny


class Clock:
    """Seconds that pass only when somebody works."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("cells", [100, 1000])
@pytest.mark.parametrize("cost", [0.001, 0.2])
def test_saving_takes_a_small_share_of_the_time_however_large_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, cost: float
) -> None:
    execution.import_executor()
    from mlopskit.runner import record

    clock, spent = Clock(), []

    def write(path: Path, text: str) -> None:
        clock.now += cost
        spent.append(cost)
        path.write_text(text, encoding="utf-8")

    monkeypatch.setattr(record, "time", clock)
    monkeypatch.setattr(record, "artefacts", SimpleNamespace(write_text=write))
    made = nbformat.from_dict(tiny.notebook([tiny.code("1", name=f"c{number}") for number in range(cells)]))
    made.metadata["papermill"] = {}
    kept = record.Record(made, Setting(save_to=tmp_path / "out.ipynb"), progress_bar=False)
    kept.notebook_start()
    for index, cell in enumerate(made.cells):
        kept.cell_start(cell, index)
        clock.now += 0.05
        kept.cell_complete(cell, index)
    kept.notebook_complete()
    first_and_last = 3 * cost
    assert sum(spent) <= 0.06 * cells * 0.05 + first_and_last
    said = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))
    assert {cell["metadata"]["papermill"]["status"] for cell in said["cells"]} == {"completed"}
