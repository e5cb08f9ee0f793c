"""Bundles and the files in them."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml

from mlopskit import artefacts
from mlopskit.deploy import Bundle, write_bundle
from mlopskit.deploy.bundle import choose_champion
from mlopskit.deploy.packages import serving_requirements
from mlopskit.deploy.serving_files import serving_files
from mlopskit.errors import DeployError
from mlopskit.scope import Monitoring, Threshold

SERVED = runpy.run_path(str(Path(__file__).parent / "served.py"))
HOSTILE = 'x"\nRUN rm -rf /\\\n{{ 7 * 7 }} </script>'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = SERVED["make_run"](tmp_path_factory.mktemp("project"))
    write_bundle(made)
    return made


def test_a_bundle_holds_all_that_it_lists(run: Any) -> None:
    bundle = Bundle.load(run.home / "bundle")
    here = {file.name for file in bundle.folder.iterdir()}
    assert here == {*bundle.facts["files"], "bundle.json"}
    assert here >= {
        "model.skops",
        "champion.skops",
        "requirements.txt",
        "Dockerfile",
        "prometheus.yml",
        "dashboard.json",
    }
    assert bundle.facts["criteria"] == [{"name": "roc_auc at least 0.8", "status": "met"}]
    assert bundle.facts["champion"]["name"] == "linear"
    assert bundle.facts["lineage"]["model/model.skops"] == artefacts.digest(bundle.folder / "model.skops")


def test_equal_runs_give_equal_bundles(run: Any, tmp_path: Path) -> None:
    again = SERVED["make_run"](tmp_path)
    write_bundle(again)
    assert artefacts.digest(again.home / "bundle") == artefacts.digest(run.home / "bundle")


@pytest.mark.parametrize("name", ["model.skops", "requirements.txt", "champion.skops"])
def test_a_changed_or_missing_file_is_noticed(run: Any, tmp_path: Path, name: str) -> None:
    for file in (run.home / "bundle").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DeployError, match=rf"{name} is missing or has changed"):
        Bundle.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DeployError, match=rf"{name} is missing or has changed"):
        Bundle.load(tmp_path)


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DeployError, match=r"is no bundle.*it holds notes\.txt"):
        Bundle.load(tmp_path)
    with pytest.raises(DeployError, match="it holds none"):
        Bundle.load(tmp_path / "absent")


def test_without_a_predicting_baseline_there_is_no_champion(tmp_path: Path) -> None:
    bundle = write_bundle(SERVED["make_run"](tmp_path, champion=False))
    assert bundle.champion() is None
    assert "no baseline" in repr(bundle)


def test_a_project_without_baselines_has_no_champion() -> None:
    columns = ["name", "kind", "metric", "value", "low", "high", "n", "artefact", "source", "status"]
    run = SimpleNamespace(has=lambda _: True, read=lambda _: pd.DataFrame([], columns=columns))
    assert choose_champion(run) is None  # type: ignore[arg-type]  # a run as far as this function asks


def test_names_cannot_leave_their_place_in_the_files() -> None:
    facts = {"name": HOSTILE, "versions": {"python": "3.11.7", "mlopskit": "0.1.0", "packages": {"numpy": "2.1"}}}
    thresholds = [Threshold(metric="error_rate", at_most=0.01), Threshold(metric=HOSTILE, at_least=1)]
    files = serving_files(facts, Monitoring(threshold=thresholds, notify=[HOSTILE]))
    assert [line.split()[0] for line in files["Dockerfile"].splitlines() if line[:1].isupper()].count("RUN") == 2
    group = yaml.safe_load(files["prometheus.yml"])["groups"][0]
    assert group["name"] == HOSTILE
    assert json.loads(files["dashboard.json"])["title"] == HOSTILE
    assert files["requirements.txt"] == "numpy==2.1\n"


def test_thresholds_become_rules_where_the_server_can_tell_and_comments_where_not() -> None:
    facts = {"name": "demo", "versions": {"python": "3.11.7", "mlopskit": "0.1.0", "packages": {}}}
    thresholds = [Threshold(metric="latency_p95_ms", at_most=100), Threshold(metric="drift", at_most=0.2)]
    files = serving_files(facts, Monitoring(threshold=thresholds, notify=["team"]))
    rules = yaml.safe_load(files["prometheus.yml"])["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == ["ServerDown", "LatencyP95MsAbove"]
    assert rules[1]["expr"].endswith("> 100")
    assert "#   drift at most 0.2" in files["prometheus.yml"]
    panel = next(item for item in json.loads(files["dashboard.json"])["panels"] if item["title"] == "latency p95 ms")
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1] == {"color": "red", "value": 100.0}


def test_requirements_name_exact_versions_and_no_address() -> None:
    pins = serving_requirements()
    assert {"fastapi", "scikit-learn", "starlette", "sqlalchemy"} <= set(pins)
    assert not {"papermill", "matplotlib", "jupyterlab", "mlflow-skinny"} & set(pins)
    assert all("/" not in version and "@" not in version for version in pins.values())
