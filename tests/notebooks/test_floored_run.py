"""A whole run with a privacy floor: what everything that leaves the building, taken together, tells of small groups."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("floored")]

FLOOR = 8
DECLARED = ("town", "sex")
ROWS = {"train", "validation", "test", "production", "labels", "predictions", "predictions_validation", "requests",
        "latency", "shap_rows"}  # fmt: skip
"""Tables of one person a row, which stay inside."""
NO_PEOPLE = {"rank", "level", "bin", "bins", "distinct", "groups", "also", "windows", "configurations", "inputs",
             "lost", "failures", "challenger_rows"}  # fmt: skip
"""Columns of whole numbers that count something else than people, or what became of requests."""

PROJECT = """
[project]
name = "floored"
question = "Who buys?"

[data]
source = "rows.csv"
task = "binary"
target = "bought"
positive = "yes"
sensitive = ["town", "sex"]
privacy_floor = 8

[model]
metric = "roc_auc"
candidates = ["linear"]
budget = 1

[[baseline]]
kind = "majority"

[[baseline]]
kind = "rule"
rule = "x > 0"

[deployment]
strategy = "shadow"
automation = "partial"
max_deferred = 0.4
logging = ["x", "town", "sex"]

[monitoring]
window = 100
"""
QUICK = ["model.replicates=100", "evaluate.replicates=100", "slices_and_bias.replicates=100", "monitor.replicates=100",
         "evaluate.explain_rows=20", "model.track=false", "deploy.single_requests=20"]  # fmt: skip


def people(n: int = 1600) -> pd.DataFrame:
    """Rows of four towns, one of which has 22 people in all: about 5 of them are test rows."""
    rng = np.random.default_rng(4)
    town = np.array(["far"] * 22 + ["low"] * 60 + ["high"] * 700 + ["mid"] * (n - 782), dtype=object)
    x, other = rng.normal(size=n), rng.normal(size=n)
    bought = rng.random(n) < 1 / (1 + np.exp(-1.5 * x - 0.5 * (town == "mid")))
    sex = rng.choice(["f", "m"], n)
    rows = pd.DataFrame({"x": x, "other": other, "town": town, "sex": sex, "bought": np.where(bought, "yes", "no")})
    return rows.sample(frac=1, random_state=1)


def command(*arguments: str, cwd: Path) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLOPSKIT", "PYTEST"))}
    made = [sys.executable, "-m", "mlopskit", *arguments]
    done = subprocess.run(made, cwd=cwd, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode in {0, 3, 4}, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, with its cards and its site."""
    folder = tmp_path_factory.mktemp("floored")
    people().to_csv(folder / "rows.csv", index=False)
    command("new", "project", "--data", "rows.csv", "--target", "bought", cwd=folder)
    project = folder / "project"
    (project / "mlops.toml").write_text(PROJECT.replace("rows.csv", str(folder / "rows.csv")), encoding="utf-8")
    command("run", *(part for name in QUICK for part in ("-p", name)), cwd=project)
    command("card", cwd=project)
    command("site", cwd=project)
    return project / "runs" / (project / "runs" / "latest").read_text(encoding="utf-8").strip()


def shared(run: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every table that may be passed on."""
    for path in sorted(run.glob("*/*.parquet")):
        if path.stem not in ROWS:
            yield f"{path.parent.name}/{path.stem}", pd.read_parquet(path)


def test_no_table_that_may_be_passed_on_counts_fewer_people_than_the_floor(finished: Path) -> None:
    names = []
    for name, table in shared(finished):
        names.append(name)
        for column in table.select_dtypes("integer"):
            few = table[column].between(1, FLOOR - 1).fillna(False)
            if name == "data/quality":  # what passed counts columns
                few &= table["outcome"] == "issue"
            assert column in NO_PEOPLE or not few.any(), (name, column, table[few])
    assert {"slices_and_bias/groups", "deploy/deferral", "monitor/windows"} <= set(names)


def numbers(text: str) -> list[tuple[int, str]]:
    """Sizes that a text tells: n = 12, or 12 rows, requests or people."""
    plain = html.unescape(re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]+>", " ", text))
    kinds = r"(?:test |training |validation |replayed |labelled )?(?:rows|requests|people|labels)\b"
    found = re.finditer(rf"\bn = (\d[\d,]*)|(?<![\d.–=-])\b(\d[\d,]*) {kinds}", plain)
    return [(int((hit[1] or hit[2]).replace(",", "")), plain[hit.start() - 60 : hit.end() + 40]) for hit in found]


def test_no_page_tells_the_size_of_fewer_people_than_the_floor(finished: Path) -> None:
    site = finished.parent.parent / "site"
    pages = [*finished.glob("*.html"), *finished.glob("*.md"), *finished.glob("*/*.md"), *site.rglob("*.html")]
    pages += [*finished.glob("*/*.svg"), *finished.glob("*/*.json")]
    told = [(page.name, *hit) for page in pages for hit in numbers(page.read_text(encoding="utf-8"))]
    assert len({page for page, *_ in told}) > 5
    assert [hit for hit in told if 0 < hit[1] < FLOOR] == []


def embedded(run: Path) -> Iterator[dict[str, Any]]:
    report = (run / "report.html").read_text(encoding="utf-8")
    for data in re.findall(r'(?s)<script type="application/json">(.*?)</script>', report):
        yield json.loads(data)


def test_the_data_in_the_report_count_no_fewer_people_than_the_floor(finished: Path) -> None:
    seen = 0
    for data in embedded(finished):
        if "steps" in data:  # rows called positive by each group at each threshold, by class
            for key, total in (("hits", "positives"), ("alarms", "negatives")):
                for counts, whole in zip(data[key], data[total], strict=True):
                    known = np.unique([0, *counts, whole])
                    own = {0, counts[data["own"]], whole}
                    gaps = [(a, b) for a, b in pairwise(known) if b - a < FLOOR]
                    assert all({a, b} <= own for a, b in gaps), (key, known)
                    seen += 1
            continue
        sizes = [n for measure in data.get("measures", ()) for n in measure.get("n", ()) if n is not None]
        assert all(n == 0 or n >= FLOOR for n in sizes)
        seen += len(sizes)
    assert seen > 4


# what everything that is published of test rows says together: unknown are the rows of each kind (actual class times 2
# plus predicted class) in every town and sex
KINDS = {"accuracy": [1, 0, 0, 1], "recall": [0, 0, 0, 1], "false_positive_rate": [0, 1, 0, 0],
         "selection_rate": [0, 1, 0, 1]}  # fmt: skip
WHOLE = {"recall": [0, 0, 1, 1], "false_positive_rate": [1, 1, 0, 0], "precision": [0, 1, 0, 1]}


def equations(table: pd.DataFrame, members: Any) -> Iterator[tuple[Any, float]]:
    """Counts of kinds that the rows of a table by group tell."""
    for row in table.to_dict("records"):
        inside = members(str(row["slice"]), str(row["group"]))
        if not pd.isna(row["n"]):
            yield np.kron(inside, np.ones(4)), float(row["n"])
        if pd.isna(row.get("denominator")) or pd.isna(row["value"]):
            continue
        if row["metric"] in WHOLE:
            yield np.kron(inside, WHOLE[row["metric"]]), float(row["denominator"])
        if row["metric"] in KINDS:
            yield np.kron(inside, KINDS[row["metric"]]), float(round(row["value"] * row["denominator"]))


def most_of(line: Any, known: list[tuple[Any, float]]) -> float:
    left, right = zip(*known, strict=True)
    found = linprog(-line, A_eq=np.array(left), b_eq=np.array(right), method="highs")
    assert found.status in {0, 3}
    return float(-found.fun) if found.success else np.inf  # nothing bounds it


def test_no_hidden_group_of_test_rows_can_be_told_to_be_small_from_all_tables_together(finished: Path) -> None:
    tables = {name: table for name, table in shared(finished) if name.startswith("slices_and_bias/")}
    groups, pairs = tables["slices_and_bias/groups"], tables["slices_and_bias/pairs"]
    labels = {name: sorted(set(groups.loc[groups["slice"] == name, "group"])) for name in DECLARED}
    listed = set(pairs["group"])
    cells = [(a, b) for a, b in product(*labels.values()) if f"{a} and {b}" in listed or f"{b} and {a}" in listed]
    assert len(cells) >= 6

    def members(name: str, group: str) -> Any:
        wanted = dict(zip(name.split(" and "), group.split(" and "), strict=True))
        wanted = {key: value for key, value in wanted.items() if key != "overall"}
        named = [dict(zip(DECLARED, cell, strict=True)) for cell in cells]
        return np.array([all(cell[key] == value for key, value in wanted.items()) for cell in named], dtype=float)

    known = [part for table in (groups, pairs) for part in equations(table, members)]
    confirmed = tables["slices_and_bias/confirmed"]
    for row in confirmed.to_dict("records"):
        conditions = dict(part.split(" = ") for part in row["slice"].split(" and "))
        if set(conditions) <= set(DECLARED) and not pd.isna(row["n_test"]):
            inside = members(" and ".join(conditions), " and ".join(conditions.values()))
            known.append((np.kron(inside, np.ones(4)), float(row["n_test"])))
    rates = tables["slices_and_bias/threshold_rates"]
    own = rates[rates["threshold"] == json.loads((finished / "model" / "threshold.json").read_text())["threshold"]]
    known += list(equations(own[own["group"] != "overall"], members))

    test = pd.read_parquet(finished / "evaluate" / "predictions.parquet")
    totals = {
        (1, 1, 1, 1): len(test),
        (0, 0, 1, 1): int(test["_target"].sum()),
        (0, 1, 0, 1): int(test["prediction"].sum()),
    }
    hidden = [row for table in (groups, pairs) for row in table.drop_duplicates(["slice", "group"]).to_dict("records")
              if row["status"] == "hidden"]  # fmt: skip
    assert ("town", "far") in {(row["slice"], row["group"]) for row in hidden}
    for row in hidden:
        inside = members(str(row["slice"]), str(row["group"]))
        for kinds, total in totals.items():
            most = most_of(np.kron(inside, kinds), known)
            assert most < 1e-6 or most > min(FLOOR, total) - 1e-5, (row["slice"], row["group"], kinds, most)


def test_no_hidden_group_of_a_window_can_be_told_to_be_small_from_all_tables_together(finished: Path) -> None:
    tables = dict(shared(finished))
    groups, windows = tables["monitor/groups"], tables["monitor/windows"]
    sizes = windows[windows["metric"] == "requests"].set_index("window")["n"]
    whole = tables["deploy/rollout_groups"]
    assert groups["n"].isna().any()
    for name, part in groups.groupby("slice"):
        cells = list(zip(part["group"], part["window"], strict=True))
        known = [(np.eye(len(cells))[i], float(n)) for i, n in enumerate(part["n"]) if not pd.isna(n)]
        known += [
            (np.array([w == window for _, w in cells], dtype=float), float(n)) for window, n in sizes.dropna().items()
        ]
        known += [(np.array([g == row.group for g, _ in cells], dtype=float), float(row.n))
                  for row in whole[whole["slice"] == name].itertuples() if not pd.isna(row.n)]  # fmt: skip
        for i in np.flatnonzero(part["n"].isna()):
            most = most_of(np.eye(len(cells))[i], known)
            assert most < 1e-6 or most > FLOOR - 1e-5, (name, cells[i], most)
