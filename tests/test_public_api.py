"""The public names are those that the package promises, and importing it costs little."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pandas as pd
import pytest

import mlopskit

PACKAGES = ["scope", "tally", "data", "mitigation", "model", "evaluate", "deploy", "monitor", "explore", "runner"]


def test_every_public_name_exists_and_no_other_is_listed() -> None:
    assert list(mlopskit.__all__) == sorted(mlopskit.__all__)
    assert all(getattr(mlopskit, name) is not None for name in mlopskit.__all__)
    assert set(mlopskit.__all__) == set(mlopskit._HOMES)


def test_a_tally_is_made_added_kept_and_compared_without_a_run(tmp_path: Path) -> None:
    rows = pd.DataFrame({"_target": [0, 1] * 40, "prediction": [0, 1, 1, 1] * 20, "town": list("aabb") * 20})
    halves = [mlopskit.Tally.from_table(part, ["town"]) for part in (rows.head(30), rows.tail(50))]
    (halves[0] + halves[1]).save(tmp_path / "tally.parquet")
    again = mlopskit.Tally.load(tmp_path / "tally.parquet")
    assert again.confusion().tolist() == [[[20, 0], [0, 20]], [[0, 20], [0, 20]]]
    gap = mlopskit.disparities(again, metrics=["false_positive_rate"])
    assert gap[["smallest", "largest", "difference"]].to_numpy().tolist() == [["a", "b", 1.0]]


def test_an_unknown_name_says_what_exists() -> None:
    with pytest.raises(AttributeError, match="it has MlopskitError, Run"):
        _ = mlopskit.nonsense


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_lists_what_it_exports(package: str) -> None:
    module = import_module(f"mlopskit.{package}")
    assert module.__all__
    assert all(hasattr(module, name) for name in module.__all__)


def test_every_module_can_be_imported() -> None:
    for module in walk_packages(mlopskit.__path__, "mlopskit."):
        if not module.name.endswith("__main__") and module.name != "mlopskit.datasets.make":
            import_module(module.name)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {"pandas", "numpy", "sklearn", "pydantic", "papermill"}
    code = f"import sys, mlopskit; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
