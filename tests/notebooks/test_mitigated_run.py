"""Each of fairlearn's mitigations, chosen in the project file, from the model's notebook to the server's answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlopskit import artefacts
from mlopskit.data import Target
from mlopskit.model import predict_table

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("mitigated")]

NAMES = ["threshold-optimizer", "exponentiated-gradient"]
PROJECT = """
[project]
name = "mitigated"
[data]
source = "rows.csv"
task = "binary"
target = "invited"
positive = "yes"
sensitive = ["sex"]
exclude = ["sex"]
[model]
candidates = ["linear"]
budget = 1
mitigation = "{name}"
mitigate = "sex"
[[baseline]]
kind = "majority"
[deployment]
logging = ["x"]
"""


def rows(n: int = 3000) -> pd.DataFrame:
    """What is asked depends on x, which is lower for women; a few do not say what they are, too few to be compared."""
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], n)
    x = (rng.normal(size=n) - 0.8 * (sex == "f")).round(4)
    said = np.where(rng.random(n) < 0.01, "", sex)
    return pd.DataFrame({"x": x, "sex": said, "invited": np.where(x + rng.normal(0, 0.7, n) > 0, "yes", "no")})


def command(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLOPSKIT", "PYTEST"))}
    return subprocess.Popen(
        [sys.executable, "-m", "mlopskit", *arguments], cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each project, side by side."""
    projects = {name: tmp_path_factory.mktemp(name) for name in NAMES}
    running = {}
    for name, project in projects.items():
        rows().to_csv(project / "rows.csv", index=False)
        (project / "mlops.toml").write_text(PROJECT.format(name=name), encoding="utf-8")
        laid, _ = (made := command("new", "--here", "--notebooks-only", cwd=project)).communicate()
        assert made.returncode == 0, laid
        running[name] = command("run", "--to", "deploy", cwd=project)
    told = {name: process.communicate()[0] for name, process in running.items()}
    assert all(process.returncode in {0, 3} for process in running.values()), told
    return {name: next((project / "runs").glob("*/run.json")).parent for name, project in projects.items()}


def read(run: Path, name: str) -> Any:
    found = next(run.glob(f"{name}.*"))
    return artefacts.read(found)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_that_is_kept_and_evaluated_is_the_mitigated_one(finished: dict[str, Path], name: str) -> None:
    run = finished[name]
    test, predictions = read(run, "data/test"), read(run, "evaluate/predictions")
    kept = type(read(run, "model/model")[-1] if name == NAMES[1] else read(run, "model/model")).__name__
    assert kept == {NAMES[0]: "GroupThresholds", NAMES[1]: "LinearMixture"}[name]
    assert read(run, "model/threshold")["threshold"] is None
    shares = predictions["prediction"].groupby(test["sex"]).mean()
    assert abs(shares["m"] - shares["f"]) < 0.2, "0.4 without it"
    assert read(run, "model/summary")["facts"][1]["value"].split()[-1] in {"sex", "models"}


@pytest.mark.parametrize("name", NAMES)
def test_the_accuracy_that_each_costs_stands_in_the_notebook_and_the_applied_one_is_tested_again(
    finished: dict[str, Path], name: str
) -> None:
    run = finished[name]
    table = read(run, "slices_and_bias/mitigations")
    table = table[table["metric"] == "balanced_accuracy"].set_index(["mitigation", "split"])
    assert np.isfinite([table.loc[(each, "validation"), "cost"] for each in ("reweighting", *NAMES)]).all()
    tested = table.loc[(name, "test")]
    assert (tested["use"], np.isfinite(tested["cost"])) == ("applied", True)
    assert tested["change"] < -0.05, "few test rows: the interval may hold 0"
    outputs = json.loads((run / "slices_and_bias" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    said = "".join(json.dumps(cell.get("outputs", [])) for cell in outputs)
    assert f"Chosen and applied: {name}. On " in said
    assert all(f"{each}: leaves " in said for each in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_server_answers_as_the_batch_does(finished: dict[str, Path], name: str) -> None:
    run = finished[name]
    answered, target = read(run, "deploy/requests"), Target.from_dict(read(run, "data/target"))
    batch = predict_table(read(run, "model/model"), read(run, "data/production"), target=target, threshold=None)
    both = answered.merge(batch, on="_row", suffixes=("", "_batch"))
    assert len(both) == len(answered) > 100
    assert (both["prediction"] == both["prediction_batch"]).all()
    np.testing.assert_allclose(both["score"], both["score_batch"])
    bundle = json.loads((run / "deploy" / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    required = {field["name"] for field in bundle["schema"] if field["required"]}
    assert required == ({"x", "sex"} if name == NAMES[0] else {"x"})
    assert "fairlearn" not in bundle["versions"]["packages"]
