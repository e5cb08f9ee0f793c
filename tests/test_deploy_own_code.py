"""The project's own estimator in a bundle: its code travels, is hashed, and nothing beyond it is trusted."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlopskit import artefacts
from mlopskit.data import TARGET
from mlopskit.deploy import Bundle, Server, to_rows, write_bundle
from mlopskit.deploy.own_code import own_modules, own_packages
from mlopskit.errors import DeployError

SERVED = runpy.run_path(str(Path(__file__).parent / "served.py"))
HELPER = "import numpy as np\n\ndef share(y):\n    return float(np.mean(y))\n"
OWN = """
from sklearn.base import BaseEstimator, ClassifierMixin
import numpy as np
from own_parts_of_a_test.helper import share


class Constant(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_, self.share_ = np.unique(y), share(y)
        return self

    def predict_proba(self, X):
        return np.tile([1 - self.share_, self.share_], (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
"""


def write_own(project: Path) -> None:
    (project / "own_parts_of_a_test").mkdir()
    (project / "own_parts_of_a_test" / "__init__.py").write_text("")
    (project / "own_parts_of_a_test" / "helper.py").write_text(HELPER)
    (project / "own_parts_of_a_test" / "unused.py").write_text("raise SystemExit\n")
    (project / "own_estimator_of_a_test.py").write_text(OWN)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = tmp_path_factory.mktemp("project")
    write_own(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SERVED["make_run"].__globals__, "PROJECT", _with_candidate(SERVED["PROJECT"]))
        patch.setitem(SERVED["make_run"].__globals__, "model", _model(project, SERVED["model"]))
        patch.setattr(sys, "path", [str(project), *sys.path])
        made = SERVED["make_run"](project)
        write_bundle(made)
        yield made
    for name in [name for name in sys.modules if name.startswith(("own_estimator_of", "own_parts_of"))]:
        del sys.modules[name]


def _with_candidate(text: str) -> str:
    return text.replace("[model]\n", '[model]\ncandidates = ["own_estimator_of_a_test:Constant"]\n')


def _model(project: Path, usual: Any) -> Any:
    """The pipeline of the other tests with the project's own estimator at its end; the champion stays a tree."""

    def model(task: str, *, simple: bool) -> Any:
        import importlib

        pipeline = usual(task, simple=simple)
        own = importlib.import_module("own_estimator_of_a_test").Constant()
        return pipeline if simple else pipeline.set_params(estimate=own)

    return model


def test_the_code_and_what_it_imports_from_the_project_travel_hashed_and_nothing_else_does(run: Any) -> None:
    facts = Bundle.load(run.home / "bundle").facts
    code = sorted(name for name in facts["files"] if name.startswith("code/"))
    parts = ["code/own_parts_of_a_test/__init__.py", "code/own_parts_of_a_test/helper.py"]
    assert code == ["code/own_estimator_of_a_test.py", *parts]
    assert facts["own_types"] == ["own_estimator_of_a_test.Constant"]
    assert facts["files"][code[0]] == artefacts.sha256(run.project / "own_estimator_of_a_test.py")


def test_a_server_elsewhere_answers_with_the_own_estimator(run: Any, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.home / "bundle", tmp_path / "bundle")
    (run.project / "own_estimator_of_a_test.py").rename(tmp_path / "away.py")
    try:
        with Server(Bundle.load(tmp_path / "bundle")) as server:
            answers = server.ready().post(to_rows(run.read("data/production").head(3), server.bundle))
    finally:
        (tmp_path / "away.py").rename(run.project / "own_estimator_of_a_test.py")
    expected = run.read("data/train")[TARGET].mean()
    np.testing.assert_allclose([answer["score"] for answer in answers], expected)
    assert not list((tmp_path / "bundle").rglob("__pycache__"))
    Bundle.load(tmp_path / "bundle")


def test_types_that_the_manifest_does_not_name_are_not_trusted(run: Any, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.home / "bundle", tmp_path / "bundle")
    manifest = tmp_path / "bundle" / "bundle.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "own_types": []}))
    with pytest.raises(artefacts.UntrustedModelError, match=r"own_estimator_of_a_test\.Constant"):
        Bundle.load(tmp_path / "bundle").model()


@pytest.mark.parametrize("change", ["code/own_parts_of_a_test/helper.py", "code/numpy.py"])
def test_changed_and_added_code_is_noticed_before_it_runs(run: Any, tmp_path: Path, change: str) -> None:
    import shutil

    shutil.copytree(run.home / "bundle", tmp_path / "bundle")
    (tmp_path / "bundle" / change).write_text("raise SystemExit\n")
    with pytest.raises(DeployError, match=f"{change} is missing or has changed"):
        Bundle.load(tmp_path / "bundle")


def test_another_module_of_that_name_in_the_process_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "own_estimator_of_a_test.py").write_text("class Constant: pass\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import own_estimator_of_a_test\n"
        f"from mlopskit.deploy import Bundle; Bundle.load({str(run.home / 'bundle')!r}).model()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "already loaded another one" in done.stderr.splitlines()[-1]


def test_imports_are_followed_without_running_anything(tmp_path: Path) -> None:
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    for name, text in {
        "mine/__init__.py": "",
        "mine/models.py": "from . import tools\nfrom .deep.more import x\nimport scipy.stats, mlopskit.data",
        "mine/tools.py": "from mine.models import Tree  # a circle",
        "mine/deep/__init__.py": "",
        "mine/deep/more.py": "from ..sibling import y",
        "mine/sibling.py": "raise SystemExit",
        "mine/other.py": "",
    }.items():
        (tmp_path / name).write_text(text)
    files = own_modules(tmp_path, ["mine.models.Tree"])
    expected = {"__init__", "deep/__init__", "deep/more", "models", "sibling", "tools"}
    assert set(files) == {f"mine/{name}.py" for name in expected}
    assert own_packages(files, tmp_path) == ["scipy"]
    assert own_modules(tmp_path, ["sklearn.dummy.DummyClassifier"]) == {}
