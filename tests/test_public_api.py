"""The public names are those that the package promises, and importing it costs little."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest

import mlopskit

PACKAGES = ["scope", "tally", "data", "mitigation", "model", "evaluate", "deploy", "monitor", "explore", "runner"]


def test_every_public_name_exists_and_no_other_is_listed() -> None:
    assert list(mlopskit.__all__) == sorted(mlopskit.__all__)
    assert all(getattr(mlopskit, name) is not None for name in mlopskit.__all__)
    assert set(mlopskit.__all__) == set(mlopskit._HOMES)


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
