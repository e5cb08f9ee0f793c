"""A whole run of three classes with a privacy floor: what all that is published tells together of few people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from tests.class_attack import Attack
from tests.notebooks.test_floored_run import FLOOR, NO_PEOPLE, PROJECT, QUICK, command, embedded, numbers, shared

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("floored")]

LABELS = ["bus", "car", "rail"]
CHANGES = {
    'task = "binary"': 'task = "multiclass"',
    'positive = "yes"\n': "",
    '"roc_auc"': '"accuracy"',
    '[[baseline]]\nkind = "rule"\nrule = "x > 0"\n': "",
    'question = "Who buys?"': 'question = "How do people travel?"',
    '"bought"': '"travels"',
}


def people(n: int = 1600) -> pd.DataFrame:
    """Rows of four towns, one of which has 22 people in all: about 4 of them are test rows."""
    rng = np.random.default_rng(4)
    town = np.array(["far"] * 22 + ["low"] * 60 + ["high"] * 700 + ["mid"] * (n - 782), dtype=object)
    x, other = rng.normal(size=n), rng.normal(size=n)
    sex = rng.choice(["f", "m"], n)
    pull = np.stack([1.5 * x, 1.5 * other + 0.3 * (town == "mid"), -1.2 * x - 1.0], axis=1) + rng.gumbel(size=(n, 3))
    travels = np.array(LABELS)[pull.argmax(axis=1)]
    rows = pd.DataFrame({"x": x, "other": other, "town": town, "sex": sex, "travels": travels})
    return rows.sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run."""
    folder = tmp_path_factory.mktemp("floored")
    people().to_csv(folder / "rows.csv", index=False)
    command("new", "project", "--data", "rows.csv", "--target", "travels", cwd=folder)
    project, text = folder / "project", PROJECT.replace("rows.csv", str(folder / "rows.csv"))
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    (project / "mlops.toml").write_text(text, encoding="utf-8")
    command("run", *(part for name in QUICK for part in ("-p", name)), cwd=project)
    return project / "runs" / (project / "runs" / "latest").read_text(encoding="utf-8").strip()


def test_no_table_or_page_of_several_classes_counts_fewer_people_than_the_floor(finished: Path) -> None:
    names = set()
    for name, table in shared(finished):
        names.add(name)
        for column in table.select_dtypes("integer"):
            few = table[column].between(1, FLOOR - 1).fillna(False)
            if name == "data/quality":
                few &= table["outcome"] == "issue"
            assert column in NO_PEOPLE or not few.any(), (name, column, table[few])
    assert {"evaluate/confusion", "slices_and_bias/groups", "monitor/windows"} <= names
    pages = [*finished.glob("*.html"), *finished.glob("*/*.svg"), *finished.glob("*/*.json")]
    told = [(page.name, *hit) for page in pages for hit in numbers(page.read_text(encoding="utf-8"))]
    assert told
    assert [hit for hit in told if 0 < hit[1] < FLOOR] == []
    for data in embedded(finished):
        sizes = [n for measure in data.get("measures", ()) for n in measure.get("n", ()) if n is not None]
        assert all(n == 0 or n >= FLOOR for n in sizes)


def test_curves_confusions_and_rates_of_all_classes_tell_nothing_of_few_rows(finished: Path) -> None:
    predictions = pd.read_parquet(finished / "evaluate" / "predictions.parquet")
    names = ("roc", "precision_recall", "confusion")
    tables = {name: pd.read_parquet(finished / "evaluate" / f"{name}.parquet") for name in names}
    attack = Attack(predictions, tables, LABELS)
    assert sum(map(len, attack.cuts)) > len(LABELS)  # something is shown
    assert list(attack.leaks(FLOOR)) == []


def test_bins_of_calibration_lie_between_thresholds_of_the_curves(finished: Path) -> None:
    predictions = pd.read_parquet(finished / "evaluate" / "predictions.parquet")
    roc, bins = (pd.read_parquet(finished / "evaluate" / f"{name}.parquet") for name in ("roc", "calibration"))
    for index, name in enumerate(LABELS):
        cuts = roc.loc[(roc["class"] == name) & np.isfinite(roc["threshold"]), "threshold"]
        above = {int((predictions[f"score_{index}"] >= cut).sum()) for cut in cuts}
        sizes = bins.loc[bins["class"] == name, "n"]
        assert set(sizes[::-1].cumsum()) <= above


def test_no_hidden_group_of_several_classes_can_be_told_to_be_small(finished: Path) -> None:
    test = pd.read_parquet(finished / "data" / "test.parquet")
    cells = sorted(set(zip(test["town"].astype(str), test["sex"].astype(str), strict=True)))
    known: list[tuple[Any, float]] = [(np.ones(2 * len(cells)), len(test))]
    hidden = []
    tables = dict(shared(finished))
    for table in (tables["slices_and_bias/groups"], tables["slices_and_bias/pairs"]):
        rows = table[(table["metric"] == "accuracy") & (table["slice"] != "overall")]
        for row in rows.to_dict("records"):
            parts = set(str(row["group"]).split(" and "))
            inside = np.array([parts <= set(cell) for cell in cells], dtype=float)
            if pd.isna(row["n"]):
                hidden.append((row["group"], np.kron(inside, [1, 1])))
            else:
                known.append((np.kron(inside, [1, 1]), row["n"]))
            if not pd.isna(row["value"]):
                known.append((np.kron(inside, [1, 0]), round(row["value"] * row["n"])))
    assert "far" in {group for group, _ in hidden}
    left, right = np.array([line for line, _ in known]), np.array([total for _, total in known])
    for group, line in hidden:
        found = linprog(-line, A_eq=left, b_eq=right, method="highs")
        assert -found.fun < 1e-6 or -found.fun > FLOOR - 1e-5, (group, -found.fun)
