"""Tables that a slices phase leaves, made by hand: as many slices as asked for, groups, and rates by threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.intervals import wilson

HOSTILE = "</script><script>document.title='owned'</script>"
TOWNS = ("north", HOSTILE, "south")
TOTAL = 40_000
OWN = 0.48


def lay_down(run: Path, *, slices: int = 60, seed: int = 0) -> pd.DataFrame:
    """Write the tables into a run folder and return what was confirmed, as the artefact has it."""
    chance = np.random.default_rng(seed)
    home = run / "slices_and_bias"
    home.mkdir(parents=True, exist_ok=True)
    found = _found(slices, chance)
    confirmed = _confirmed(found, chance)
    found.drop(columns=["origin"]).to_parquet(home / "slices.parquet")
    confirmed.to_parquet(home / "confirmed.parquet")
    _groups(confirmed, chance).to_parquet(home / "groups.parquet")
    _rates(chance).to_parquet(home / "threshold_rates.parquet")
    (run / "model").mkdir(exist_ok=True)
    (run / "model" / "threshold.json").write_text(f'{{"threshold": {OWN}, "objective": "f1", "value": 0.5}}')
    return confirmed


def _names(slices: int) -> list[str]:
    levels = [
        ("age", [f"{low}–{low + 4}" for low in range(18, 78, 5)]),
        ("work & pay", ["full", "<b>part</b>", "none"]),
    ]
    (age, ages), (work, works) = levels
    names = [f"{age} = {a} and {work} = {w} and code = {c}" for c in range(slices) for a in ages for w in works]
    return names[:slices]


def _found(slices: int, chance: np.random.Generator) -> pd.DataFrame:
    n = chance.integers(40, 4000, slices)
    error = np.round(n * chance.uniform(0.2, 0.6, slices)) / n
    score = np.sort(chance.uniform(0.01, 2, slices))[::-1]
    return pd.DataFrame(
        {
            "slice": _names(slices), "origin": "searched", "level": 3, "n": n, "share": n / TOTAL, "error": error,
            "times": error / 0.2, "score": score, "also": 0, "same_rows": "", "overlapping": "",
        }
    )  # fmt: skip


def _confirmed(found: pd.DataFrame, chance: np.random.Generator) -> pd.DataFrame:
    towns = pd.DataFrame({"slice": [f"town = {town}" for town in TOWNS], "origin": "declared", "level": 1,
                          "n": [20_000, 19_995, 5], "error": [0.2, 0.25, 0.4], "score": [-0.1, 0.05, -9]})  # fmt: skip
    table = pd.concat([found[list(towns.columns)], towns], ignore_index=True)
    n_test = np.where(table["n"] < 10, table["n"], chance.integers(12, 4000, len(table)))
    table["n_test"] = n_test
    table["error_test"] = np.round(n_test * chance.uniform(0.1, 0.6, len(table))) / n_test
    table["error_rest"] = 0.21
    table["p_value"] = table["adjusted"] = np.where(n_test < 10, np.nan, chance.uniform(0, 0.2, len(table)) ** 2)
    table["confirmed"] = table["adjusted"] <= 0.01
    table["power"] = np.where(n_test < 10, np.nan, 0.8)
    states = np.where(table["confirmed"], "confirmed", "not confirmed")
    table["status"] = np.where(n_test < 10, "could not test", states)
    table.insert(2, "measure", "error rate")
    return table


def _groups(confirmed: pd.DataFrame, chance: np.random.Generator) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for metric, value in (("accuracy", 0.8), ("recall", 0.6)):
        common = {"metric": metric, "method": "Wilson", "status": "estimated", "majority": 0.5}
        rows.append({"slice": "overall", "group": "overall", "n": TOTAL, "denominator": TOTAL, "value": value,
                     "low": value - 0.01, "high": value + 0.01, **common})  # fmt: skip
        sizes = confirmed.set_index("slice")["n_test"]
        for town in TOWNS:
            n = int(sizes[f"town = {town}"])
            reach = 0.05 if n >= 10 else np.nan
            own = round(float(chance.uniform(0.5, 0.9)), 4)
            rows.append({"slice": "town", "group": town, "n": n, "denominator": n, "value": own,
                         "low": own - reach, "high": own + reach, **common})  # fmt: skip
    return pd.DataFrame(rows)


def _rates(chance: np.random.Generator, steps: int = 59) -> pd.DataFrame:
    """Rates of all rows and two towns; those of the third are withheld, so it is in no row."""
    grid = np.unique([*np.linspace(0.02, 1, steps), OWN])
    sizes = {TOWNS[0]: (300, 700), HOSTILE: (8, 500)}
    scores = {town: (chance.beta(4, 3, p), chance.beta(2, 4, n)) for town, (p, n) in sizes.items()}
    every = tuple(np.concatenate([part[place] for part in scores.values()]) for place in (0, 1))
    scores = {"overall": (every[0], every[1]), **scores}
    frames = []
    for town, (positive, negative) in scores.items():
        hits, alarms = ((part[:, None] >= grid).sum(axis=0) for part in (positive, negative))
        n = len(positive) + len(negative)
        parts = {
            "selection_rate": (hits + alarms, n),
            "recall": (hits, len(positive)),
            "false_positive_rate": (alarms, len(negative)),
        }
        for metric, (counted, total) in parts.items():
            low, high = wilson(counted, np.full(len(grid), total))
            frames.append(pd.DataFrame(
                {"slice": "town", "group": town, "n": n, "metric": metric, "threshold": grid,
                 "denominator": total, "value": counted / total, "low": low, "high": high, "method": "Wilson",
                 "status": "estimated" if total >= 10 else "cannot-be-estimated"}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)
