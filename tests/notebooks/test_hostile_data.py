"""A table with everything that can be handled goes through all phases, and the report says what was done with it."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("hostile")]

PHASES = ["scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor"]
COLUMNS = ["mixed few", "amount", "constant", "empty", "many", "mixed", "Région", "<script>", 'a.b "c" {x}', "ziel"]
ATTACKS = ["<img src=x onerror=alert(1)>", "{x}", "'; DROP TABLE x", "</style><b>"]
SAID = {
    ("DAT009", "constant"): "every row holds “always”",
    ("DAT009", "empty"): "every value is missing",
    ("DAT011", "many"): "560 categories; the rare ones are taken together",
    ("DAT012", "amount"): "13 infinite values (2.2 %); they count as missing",
    ("DAT013", "mixed few"): "12 of 600 values are not numbers (“seven”); these count as missing",
    ("DAT013", "mixed"): "all are taken as labels",
    ("DAT014", "hostile.csv"): "read as Windows-1252",
    ("DAT019", "column names"): "'<script>'",
}


def hostile_rows(n: int = 600) -> list[list[Any]]:
    """Rows whose target depends on `amount`; all else is there to break something."""
    rng = np.random.default_rng(0)
    amount = rng.normal(50, 10, n)
    bought = rng.random(n) < 1 / (1 + np.exp(-(amount - 50) / 6))
    rows = []
    for i in range(n):
        number = "inf" if i % 90 == 0 else "-inf" if i % 91 == 0 else f"{amount[i]:.3f}"
        odd = [rng.choice(["a", "2", "3.5", ""]), rng.choice(["Zürich", "Genève"]), rng.choice(ATTACKS)]
        few = "seven" if i % 50 == 0 else i % 7
        yes = "ja" if bought[i] else "nein"
        rows.append([few, number, "always", "", f"<b>k{i % 560}</b>", *odd, f"{rng.normal():.3f}", yes])
    return rows


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLOPSKIT", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", "mlopskit", *arguments], cwd=cwd, capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a project made from the table, with the columns declared that are hardest to write."""
    folder = tmp_path_factory.mktemp("hostile")
    with (folder / "hostile.csv").open("w", encoding="cp1252", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *hostile_rows()])
    made = command("new", "project", "--data", "hostile.csv", "--target", "ziel", cwd=folder)
    assert made.returncode == 0, made.stderr
    project = folder / "project"
    text = (project / "mlops.toml").read_text(encoding="utf-8")
    declared = 'sensitive = ["Région", "<script>"]\nslices = ["many", "mixed"]\n'
    text = re.sub(r"^# sensitive.*\n", declared, text, flags=re.MULTILINE)
    (project / "mlops.toml").write_text(text, encoding="utf-8")
    done = command("run", cwd=project)
    assert done.returncode in {0, 3, 4}, done.stdout[-3000:] + done.stderr[-3000:]
    return project / "runs" / (project / "runs" / "latest").read_text(encoding="utf-8").strip()


def test_every_phase_ends_well_and_the_model_still_learns(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    assert [(phase["name"], phase["status"]) for phase in record["phases"]] == [(name, "done") for name in PHASES]
    metrics = pd.read_parquet(finished / "evaluate" / "metrics.parquet").set_index("metric")
    assert metrics.loc["roc_auc", "low"] > 0.65, "the one column that tells something was not spoilt by the others"


def test_what_was_handled_is_said_in_the_checks_and_in_the_report(finished: Path) -> None:
    quality = pd.read_parquet(finished / "data" / "quality.parquet")
    issues = quality[quality["outcome"] == "issue"].set_index(["code", "subject"])["detail"]
    report = html.unescape((finished / "report.html").read_text(encoding="utf-8"))
    for place, said in SAID.items():
        assert said in issues[place]
        assert issues[place] in report, place


def test_nothing_from_the_table_becomes_markup(finished: Path) -> None:
    report = (finished / "report.html").read_text(encoding="utf-8")
    for raw in ("<img src=x", "<b>k", "</style><b>"):
        assert raw not in report
    assert "&lt;script&gt;" in report
