from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from mlopskit import artefacts
from mlopskit.display import Chart
from mlopskit.errors import MlopskitError
from mlopskit.lean import without
from mlopskit.model import ColumnBaseline, LinearBaseline, MajorityBaseline, RuleBaseline

ESTIMATORS = {
    "logistic": LogisticRegression(),
    "ridge": Ridge(),
    "forest": RandomForestClassifier(10, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=10, early_stopping=True, random_state=0),
    "boosting_regressor": HistGradientBoostingRegressor(max_iter=10, random_state=0),
    "dummy": DummyClassifier(),
}


def table(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "k": rng.choice(["a", "b", "<script>"], rows)})
    return frame.assign(y=(frame["x"] + rng.normal(size=rows) > 0).astype(int))


def fitted(name: str) -> Pipeline:
    prepare = ColumnTransformer([("n", StandardScaler(), ["x"]), ("c", OneHotEncoder(sparse_output=False), ["k"])])
    frame = table()
    return Pipeline([("prepare", prepare), ("estimate", ESTIMATORS[name])]).fit(frame, frame["y"])


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    label: str


@pytest.mark.parametrize(
    ("value", "extension", "back"),
    [
        ({"a": [1, None], "b": np.float64(2.5), "c": float("nan")}, ".json", {"a": [1, None], "b": 2.5, "c": None}),
        (Point(1.0, "ü"), ".json", {"x": 1.0, "label": "ü"}),
        ("# Title\n", ".md", "# Title\n"),
    ],
)
def test_records_and_prose_come_back_as_written(tmp_path: Path, value: object, extension: str, back: object) -> None:
    path = tmp_path / f"thing{artefacts.extension_of(value)}"
    assert path.suffix == extension
    artefacts.write(value, path)
    assert artefacts.read(path) == back


def test_a_table_comes_back_as_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a b": [1, 2], "<script>": ["x", None], "list": [[1.0, 2.0], [3.0, 4.0]]})
    artefacts.write(frame, tmp_path / "t.parquet")
    back = artefacts.read(tmp_path / "t.parquet")
    assert back["a b"].tolist() == [1, 2]
    assert back.loc[1, "list"].tolist() == [3.0, 4.0]
    assert back["<script>"].isna().tolist() == [False, True]


def test_a_chart_keeps_its_words(tmp_path: Path) -> None:
    artefacts.write(Chart("<svg><title>a &lt; b</title></svg>", "a < b"), tmp_path / "c.svg")
    assert artefacts.read(tmp_path / "c.svg").alt == "a < b"


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_a_model_comes_back_with_the_same_predictions(tmp_path: Path, name: str) -> None:
    model = fitted(name)
    artefacts.write(model, tmp_path / "m.skops")
    assert np.array_equal(artefacts.read(tmp_path / "m.skops").predict(table()), model.predict(table()))


@pytest.mark.parametrize(
    "baseline",
    [
        MajorityBaseline(2).fit(table(), table()["y"]),
        RuleBaseline("x > 0 and k == 'a'").fit(table(), table()["y"]),
        ColumnBaseline("x", "previous", ("no", "yes")).fit(table(), table()["y"]),
        LinearBaseline(fitted("logistic"), 0.4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_baseline_comes_back_with_the_same_predictions(tmp_path: Path, baseline: object) -> None:
    artefacts.write(baseline, tmp_path / "b.skops")
    back = artefacts.read(tmp_path / "b.skops")
    assert np.array_equal(back.predict(table()), baseline.predict(table()))
    assert np.array_equal(back.predict_proba(table()), baseline.predict_proba(table()))


def fill(path: Path, error: Exception) -> None:
    """Write half of what is to replace `path`, then fail."""
    with artefacts.replacing(path) as draft:
        if path.is_dir():
            draft.mkdir()
            (draft / "a").write_text("half")
        else:
            draft.write_text("half")
        raise error


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "note.md"
    artefacts.write_text(path, "old")
    with pytest.raises(OSError, match="disk full"):
        fill(path, OSError("disk full"))
    assert [item.name for item in tmp_path.iterdir()] == ["note.md"]
    assert path.read_text() == "old"


def test_a_failed_folder_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "a").write_text("old")
    with pytest.raises(RuntimeError, match="stop"):
        fill(folder, RuntimeError("stop"))
    assert (folder / "a").read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize("name", ["logistic", "forest", "boosting"])
def test_two_refits_have_one_digest(tmp_path: Path, name: str) -> None:
    for file in ("a.skops", "b.skops"):
        artefacts.write(fitted(name), tmp_path / file)
    assert artefacts.digest(tmp_path / "a.skops") == artefacts.digest(tmp_path / "b.skops")


@pytest.mark.parametrize("name", ["logistic", "forest", "boosting"])
def test_loading_and_writing_again_keeps_the_digest(tmp_path: Path, name: str) -> None:
    artefacts.write(fitted(name), tmp_path / "a.skops")
    artefacts.write(artefacts.read(tmp_path / "a.skops"), tmp_path / "b.skops")
    assert artefacts.digest(tmp_path / "a.skops") == artefacts.digest(tmp_path / "b.skops")


def test_refits_in_two_processes_have_one_digest(tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_artefacts as t; t.write_all(sys.argv[2])"
    for folder in ("one", "two"):
        command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / folder)]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": str(len(folder)), "PATH": ""})
    for name in ESTIMATORS:
        one, two = (artefacts.digest(tmp_path / folder / f"{name}.skops") for folder in ("one", "two"))
        assert one == two, name


def write_all(folder: str) -> None:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # boosting notes the number of threads in its binning
        for name in ESTIMATORS:
            artefacts.write(fitted(name), Path(folder) / f"{name}.skops")


def test_a_clock_that_no_model_file_can_bear_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Clock:
            return cls(1970, 1, 2, tzinfo=tz)

    monkeypatch.setattr(dt, "datetime", Clock)
    with pytest.raises(MlopskitError, match=r"no time before 1980\. Set the clock"):
        artefacts.write(DummyClassifier().fit([[0], [1]], [0, 1]), tmp_path / "m.skops")
    assert list(tmp_path.iterdir()) == []


def test_another_model_has_another_digest(tmp_path: Path) -> None:
    for value, file in ((1.0, "a.skops"), (2.0, "b.skops")):
        artefacts.write(Ridge(alpha=value).fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / file)
    assert artefacts.digest(tmp_path / "a.skops") != artefacts.digest(tmp_path / "b.skops")


def test_another_member_has_another_digest(tmp_path: Path) -> None:
    for end, file in ((1.0, "a.skops"), (2.0, "b.skops")):
        artefacts.write(Ridge().fit([[0.0], [1.0]], [0.0, end]), tmp_path / file)
    assert artefacts.digest(tmp_path / "a.skops") != artefacts.digest(tmp_path / "b.skops")


def replant(source: Path, target: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """Copy a model file with one class named otherwise."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                assert schema["__class__"] == old["__class__"]
                content = json.dumps(schema | new).encode()
            copy.writestr(name, content)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("numpy", "fromfile"),
        ("pandas", "read_pickle"),
        ("mlopskit.artefacts", "write_text"),
        ("mlopskit.model.tracking", "Tracker"),
        ("mlopskit.model.baselines", "evaluate_rule"),
        ("mlopskit.model.nothing_of_this_name", "X"),
    ],
)
def test_a_planted_type_is_refused(tmp_path: Path, module: str, name: str) -> None:
    artefacts.write(MajorityBaseline(2).fit(table(), table()["y"]), tmp_path / "good.skops")
    planted = {"__class__": name, "__module__": module}
    replant(tmp_path / "good.skops", tmp_path / "bad.skops", {"__class__": "MajorityBaseline"}, planted)
    with pytest.raises(artefacts.UntrustedModelError, match=re.escape(f"{module}.{name}")):
        artefacts.read(tmp_path / "bad.skops")


def test_a_planted_function_is_refused(tmp_path: Path) -> None:
    artefacts.write(FunctionTransformer(subprocess.getoutput).fit([[0.0]]), tmp_path / "bad.skops")
    with pytest.raises(artefacts.UntrustedModelError, match=r"subprocess\.getoutput"):
        artefacts.read(tmp_path / "bad.skops")


def test_what_the_caller_trusts_is_loaded(tmp_path: Path) -> None:
    artefacts.write(FunctionTransformer(json.dumps).fit([[0.0]]), tmp_path / "own.skops")
    model = artefacts.load_model(tmp_path / "own.skops", also_trust=["json.dumps"])
    assert model.transform("x") == '"x"'


def test_keeping_models_imports_no_other_framework() -> None:
    """Dask stands for PyTorch here, which scikit-learn imports in the same way wherever it is installed."""
    code = (
        "import importlib.util, sys\n"
        "from mlopskit.persistence import skops_io\n"
        "assert importlib.util.find_spec('dask') and 'dask' not in sys.modules\n"
        "known = skops_io._trusted_types.SKLEARN_ESTIMATOR_TYPE_NAMES\n"
        "assert 'sklearn.ensemble._forest.RandomForestClassifier' in known\n"
        "import sklearn.externals.array_api_compat.dask.array"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_that_is_left_out_can_be_imported_afterwards() -> None:
    with without("json", "no_such_module", "colorsys"), pytest.raises(ImportError):
        importlib.import_module("no_such_module")
    assert "no_such_module" not in sys.modules
    assert importlib.import_module("json") is json
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)
