"""Filters of warnings: what a cell sets and what modules set stand in the order in which a cold kernel has them."""

from __future__ import annotations

import json
import re
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlopskit.runner import warm
from mlopskit.runner.filters import Filters
from tests import tiny

installed = runpy.run_path(str(Path(__file__).with_name("test_runner_standin.py")))["installed"]

ANOTHER = "import warnings\ndef setting(*names):\n    for name in names: warnings.filterwarnings('always', name)\n"
SETTER = """
import warnings, another
another.setting("setter")
with warnings.catch_warnings():
    warnings.simplefilter("error")
    import colorsys
"""
MODULES = {
    "another": ANOTHER,
    "setter": SETTER,
    "user": "import importlib\nsetter = importlib.import_module('setter')\n",
    "calling": "def load(): return __import__('setter')\nload()\n",
    "forever": "import warnings\nwarnings.filterwarnings('ignore')\n",
    "for_now": "import warnings\nwith warnings.catch_warnings(): warnings.filterwarnings('ignore')\n",
    "known": "import warnings\nwarnings.filterwarnings('ignore', category=DeprecationWarning)\n",
    "strict": "import warnings\nwarnings.filterwarnings('error', 'ab')\n",
    "lenient": "import warnings\nwarnings.filterwarnings('always', 'ab')\n",
    "both": "import lenient, strict\n",
}
AHEAD = [
    "import ipykernel.kernelapp", "import numpy", "import pandas", "import scipy.stats", "import sklearn.linear_model",
    *(f"import {name}" for name in ("setter", "user", "calling", "another", "forever", "for_now", "known", "strict",
                                    "lenient", "both")),
]  # fmt: skip
IGNORE = "import warnings\nwarnings.simplefilter('ignore')\n"
CELLS = {
    "nothing": "",
    "first": f"{IGNORE}import numpy as np\nnp.polyfit([1, 1], [1, 2], 3)",
    "behind": f"import numpy as np\n{IGNORE}np.polyfit([1, 1], [1, 2], 3)",
    "between": f"import pandas\n{IGNORE}from scipy import stats",
    "through": f"{IGNORE}from sklearn.linear_model import LogisticRegression",
    "own": f"{IGNORE}import user\nwarnings.filterwarnings('ignore', 'user')\nfrom another import setting",
    "dynamic": f"import importlib\n{IGNORE}importlib.import_module('user')",
    "again": f"import setter\n{IGNORE}import setter",
    "pickled": f"import pickle\npickle.loads(b'cnumpy\\nfloat64\\n.')\n{IGNORE}import numpy",
    "called": f"{IGNORE}np = __import__('numpy')\nimport warnings",
    "calls": f"{IGNORE}import calling",
    "temporary": "import for_now",
    "known": "import known",
    "ordered": "import both",
    "within": f"{IGNORE}def load():\n    import scipy.special\nload()\nwarnings.filterwarnings('ignore', 'within')",
}
LOOK = "import warnings\nrun.write('filters', {'are': list(map(str, warnings.filters))})"


@pytest.mark.notebooks
@pytest.mark.xdist_group("warm")
@pytest.mark.skipif(not warm.is_supported(), reason="kernels are forked on Linux only")
def test_filters_of_a_forked_kernel_stand_as_those_of_a_cold_one(
    project: Path, installed: Callable[[str, str], str]
) -> None:
    for name, source in MODULES.items():
        installed(name, source)
    phases = tiny.make_project(project / "p", {name: f"{cell}\n{LOOK}" for name, cell in CELLS.items()})
    remarks: list[str] = []
    with warm.ForkServer(AHEAD) as server:
        made = [
            tiny.run(
                project / "p", phases, server=kernels, listener=lambda event: remarks.append(str(event.get("text")))
            )
            for kernels in (server, None)
        ]
    assert not [remark for remark in remarks if "anew" in remark]
    assert [outcome.manifest.status for outcome in made] == ["passed", "passed"]
    for phase in CELLS:
        warmly, cold = (
            json.loads((outcome.folder / phase / "filters.json").read_text(encoding="utf-8"))["are"] for outcome in made
        )
        assert (phase, warmly) == (phase, cold)
        shown = [_shown(outcome.folder / phase / "notebook.ipynb") for outcome in made]
        assert shown[0] == shown[1]
        assert ("RankWarning" in shown[0]) == (phase == "first")


def _shown(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = "".join(text for cell in cells for item in cell.get("outputs", ()) for text in item.get("text", ()))
    return re.sub(r"ipykernel_\d+", "ipykernel", text)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Filters]:
    """Filters that are noted in this process, which has what it had afterwards."""
    kept = list(warnings.filters)
    monkeypatch.setattr(warnings, "_add_filter", warnings._add_filter)  # type: ignore[attr-defined]
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "filtering_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sets.py").write_text("import warnings\nwarnings.filterwarnings('error', 'sets')\n", encoding="utf-8")
    (package / "later.py").write_text("import warnings\nwarnings.filterwarnings('error', 'later')\n", encoding="utf-8")
    (package / "below.py").write_text("from . import sets\nfrom .sets import warnings\n", encoding="utf-8")
    try:
        yield Filters()
    finally:
        warnings.filters[:] = kept  # type: ignore[index]
        for name in [name for name in sys.modules if name.startswith("filtering_package")]:
            del sys.modules[name]


@pytest.mark.parametrize(
    "statement",
    [
        "import filtering_package.sets",
        "from filtering_package import sets",
        "from filtering_package.sets import warnings",
        "import filtering_package.below",
        "from filtering_package import below as x",
        "import importlib\nimportlib.import_module('.sets', 'filtering_package')",
    ],
)
def test_filter_comes_with_whatever_statement_imports_what_sets_it(noted: Filters, statement: str) -> None:
    before = list(warnings.filters)
    exec("import filtering_package.below", {"__name__": "__main__"})
    added = warnings.filters[0]
    assert added not in before
    noted.step_aside()
    assert warnings.filters == before
    exec("import filtering_package", {"__name__": "__main__"})
    assert warnings.filters == before
    exec(statement, {"__name__": "__main__"})
    assert warnings.filters == [added, *before]
    kinds = {(type(module), type(module.__spec__)) for name, module in sys.modules.items() if "filtering" in name}
    assert kinds == {(ModuleType, ModuleSpec)}, "nothing is left to come, and nothing is left behind"


def test_only_what_has_something_left_to_come_is_listened_to(noted: Filters) -> None:
    exec("import filtering_package.below, filtering_package.later", {"__name__": "__main__"})
    later, sets = warnings.filters[:2]
    noted.step_aside()
    before = list(warnings.filters)
    assert _listened_to() == {f"filtering_package{name}" for name in ("", ".below", ".later", ".sets")}
    exec("import filtering_package.below", {"__name__": "__main__"})
    assert warnings.filters == [sets, *before]
    assert _listened_to() == {"filtering_package", "filtering_package.later"}
    exec("assert not hasattr(later, 'missing')", {"later": sys.modules["filtering_package.later"]})
    assert warnings.filters == [sets, *before], "to look at what is there imports nothing"
    exec("from filtering_package import later", {"__name__": "__main__"})
    assert warnings.filters == [later, sets, *before]
    assert _listened_to() == set()


def _listened_to() -> set[str]:
    found = {name: module for name, module in sys.modules.items() if name.startswith("filtering_package")}
    return {name for name, module in found.items() if type(module.__spec__) is not ModuleSpec}


def test_filters_that_a_module_did_away_with_stay_as_it_left_them(noted: Filters) -> None:
    exec("import filtering_package.below", {"__name__": "__main__"})
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    left: list[Any] = list(warnings.filters)
    noted.step_aside()
    assert warnings.filters == left
