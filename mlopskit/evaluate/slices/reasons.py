"""Why a slice is worse: what pushes its answers another way, what is missing there, how much there was to learn from.

Three comparisons of a slice with the rows outside it, each with its interval:

- **Pushes**: the mean SHAP value of each feature. *On the output*: where the model is moved to. *Towards the right
  answer*: the same, counted positive where it moves a row to its actual class or value; a feature that does so less
  in the slice than elsewhere is one that drives the gap. They describe the model and cause nothing by that.
- **Missing**: the share of rows without a value of a feature.
- **Training rows**: the slice's share of what the model learnt from, beside its share of the test rows.

Only test rows are explained, a random sample of them: first of all rows, then more of each slice, so that a small one
has enough. Several features are compared at once, so their intervals hold together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import TARGET
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.privacy.tables import slices_shown
from mlopskit.evaluate.slices.errors import slice_errors
from mlopskit.evaluate.slices.find import in_words, slice_mask
from mlopskit.evaluate.slices.found import SliceFeatures, slice_features
from mlopskit.evaluate.slices.pushes import NOT_APPLICABLE, OUTPUT, RIGHT, Bools, Line, line_of, pushes
from mlopskit.intervals import newcombe
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED
from mlopskit.metrics.estimates import FEWEST
from mlopskit.runs import Run
from mlopskit.tally.floor.tables import WITHHELD, reason

MISSING, TRAINING = "share missing", "share of training rows"
COLUMNS = [
    "slice", "confirmed", "measure", "error", "error_rest", "majority", "kind", "rank", "feature", "inside", "outside",
    "difference", "low", "high", "n_inside", "n_outside", "unit", "method", "status",
]  # fmt: skip
_MARK = "\0"  # no column of a table read from a file is called so


@dataclass(frozen=True)
class _Rows:
    """The rows that are compared, those that can make the error: test and training rows, as they are and as words."""

    test: pd.DataFrame
    words: pd.DataFrame
    train: pd.DataFrame
    train_words: pd.DataFrame


def slice_reasons(
    run: Run,
    data: GroupedRows,
    features: SliceFeatures,
    found: pd.DataFrame,
    tested: pd.DataFrame,
    *,
    by: str = "error",
    bins: int = 4,
    max_groups: int = 20,
    clusters: int = 8,
    most: int = 5,
    rows: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the worst slices with the rows outside them.

    Parameters
    ----------
    run : Run
        Its model, preparation and training rows are read.
    data, features, found, tested
        As from `GroupedRows.read`, `slice_features`, `worst_slices` and `confirmed_slices`.
    by, bins, max_groups, clusters, seed
        As those were made with.
    most : int
        Slices at most: confirmed ones first, then those that are worse on test rows but not confirmed.
    rows : int
        Test rows explained at most; fewer where the model is slow to explain.

    Returns
    -------
    DataFrame
        One row a slice, kind and feature. error, error_rest and majority (what guessing errs in the slice) are those
        of `confirmed_slices`. The largest difference of a kind has rank 1. ``inside`` and ``outside`` are means or
        shares of n_inside and n_outside rows, ``difference`` is the first less the second. Of the kind ``share of
        training rows`` inside is the slice's share of n_outside training rows, n_inside of which are its, and outside
        its share of the test rows. status: ``estimated``, ``cannot-be-estimated``, ``not applicable`` or ``hidden`` by
        the privacy floor. Where errors are false positives (negatives), all rows are actual negatives (positives).

    References
    ----------
    Welch, B. L. (1947). The generalization of Student's problem when several different population variances are
    involved. Biometrika 34, 28-35; Newcombe, R. G. (1998), see `mlopskit.intervals.newcombe`.
    """
    errors = slice_errors(data.predictions, data.target, by=by)
    chosen = [] if isinstance(errors, str) or tested.empty else list(_worst(data, features, found, tested, most))
    if isinstance(errors, str) or not chosen:
        return pd.DataFrame(columns=COLUMNS)
    train = run.read("data/train")
    options: dict[str, Any] = {"bins": bins, "max_groups": max_groups, "clusters": clusters, "seed": seed}
    train_words = slice_features(replace(data, test=train), run.read("data/preparation"), **options).test
    kept = _at_risk(train, by)
    table = _Rows(errors.of(data.test), errors.of(features.test), train.loc[kept], train_words.loc[kept])
    shown = [(facts, mapping) for facts, mapping in chosen if mapping is not None]
    slices = [mapping for _, mapping in shown]
    parts = [
        *pushes(run, data, slices, test=table.test, words=table.words, background=train, rows=rows, seed=seed),
        *_missing(data, table, slices),
        *_training(data, table, slices),
    ]
    withheld = {"kind": "", "feature": "", "status": WITHHELD, "method": reason(data.floor)}
    named = [{**shown[place][0], **line} for place, line in parts]
    made = _ranked([*named, *({**facts, **withheld} for facts, mapping in chosen if mapping is None)])
    if data.unit is not None:  # as the tests of slices do
        known = made["status"] == ESTIMATED
        made.loc[known, "method"] = made.loc[known, "method"] + ", as if rows were independent"
    return made


def _at_risk(rows: pd.DataFrame, by: str) -> Bools:
    wanted = {"false_positive_rate": 0, "false_negative_rate": 1}.get(by)
    truth = rows[TARGET].to_numpy()
    return np.ones(len(rows), dtype=bool) if wanted is None else np.asarray(truth == wanted)


def _worst(
    data: GroupedRows, features: SliceFeatures, found: pd.DataFrame, tested: pd.DataFrame, most: int
) -> Iterator[tuple[dict[str, Any], Mapping[str, Any] | None]]:
    """Yield what is known of each slice and its mapping, None where the privacy floor withholds it."""
    table = tested.reset_index(drop=True)
    hidden = table["status"].str.startswith(WITHHELD)
    worse = table["error_test"] > table["error_rest"]
    table = table[table["confirmed"].astype(bool) | (worse & table["p_value"].notna())]
    key = np.where(table["confirmed"], -table["error_test"], table["p_value"].astype(float))
    table = table.assign(_sure=~table["confirmed"].astype(bool), _key=key)
    table = table.sort_values(["_sure", "_key", "slice"], kind="stable").head(most)
    declared = {in_words(chosen): chosen for chosen in _declared(data, features)}
    for place, row in zip(table.index, table.to_dict("records"), strict=True):
        facts = {
            "slice": row["slice"], "confirmed": bool(row["confirmed"]), "measure": row["measure"],
            "error": row["error_test"], "error_rest": row["error_rest"], "majority": row.get("majority", np.nan),
        }  # fmt: skip
        mapping = found["columns"].iloc[place] if place < len(found) else declared[row["slice"]]
        yield facts, None if hidden[place] else mapping


def _declared(data: GroupedRows, features: SliceFeatures) -> Iterator[dict[str, Any]]:
    for name in data.grouping.names:
        if name in features.validation.columns:
            present = {*features.validation[name].unique(), *features.test[name].unique()}
            yield from ({name: group} for group in sorted(present, key=str))


def _missing(data: GroupedRows, table: _Rows, slices: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Share of missing values in each slice against outside it, of features that have any and describe no slice."""
    if data.columns.image is not None:
        yield from ((place, line_of(MISSING, NOT_APPLICABLE, "an image is one value")) for place in range(len(slices)))
        return
    absent = {name: table.test[name].isna().to_numpy() for name in data.columns.features if name in table.test}
    absent = {name: rows for name, rows in absent.items() if rows.any()}
    visible = {name: _missing_shown(slices, table.words, rows, data.floor) for name, rows in absent.items()}
    for place, mapping in enumerate(slices):
        inside = slice_mask(table.words, mapping)
        names = [name for name in absent if name not in mapping]
        if not names:
            why = "no other feature" if absent else "no feature"
            yield place, line_of(MISSING, NOT_APPLICABLE, f"{why} has missing values in test rows")
        for name in names:
            counts = [(int(absent[name][rows].sum()), int(rows.sum())) for rows in (inside, ~inside)]
            line = _shares(counts, features=len(names), least=FEWEST)
            if not visible[name][place]:
                line = {"status": WITHHELD, "method": reason(data.floor)}
            yield place, {**line, "kind": MISSING, "feature": name}


def _missing_shown(
    slices: Sequence[Mapping[str, Any]], words: pd.DataFrame, absent: Bools, floor: int
) -> Sequence[bool] | Bools:
    """Which slices' missing values may be counted: they and the others make a slice of their own."""
    if floor < 2:
        return [True] * len(slices)
    marked = words.assign(**{_MARK: np.where(absent, "missing", "present")})
    halves = [[{**mapping, _MARK: word} for mapping in slices] for word in ("missing", "present")]
    shown = slices_shown([*halves[0], *halves[1]], marked, floor=floor)
    return np.asarray(shown[: len(slices)] & shown[len(slices) :])


def _shares(counts: Sequence[tuple[int, int]], *, features: int, least: int) -> dict[str, Any]:
    (k, n), (j, m) = counts
    sizes = {"n_inside": n, "n_outside": m}
    if min(n, m) < least:
        return {**sizes, "status": NOT_ESTIMATED, "method": f"fewer than {least} rows inside or outside"}
    low, high = newcombe(k, n, j, m, confidence=1 - 0.05 / features)
    method = f"Newcombe, all {features} features together" if features > 1 else "Newcombe"
    figures = {"inside": k / n, "outside": j / m, "difference": k / n - j / m, "low": float(low), "high": float(high)}
    return {**sizes, **figures, "method": method, "status": ESTIMATED}


def _training(data: GroupedRows, table: _Rows, slices: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """The slice's share of the training rows beside its share of the test rows."""
    shown = slices_shown(slices, table.train_words, floor=data.floor) if data.floor > 1 else [True] * len(slices)
    for place, mapping in enumerate(slices):
        own, test = (slice_mask(words, mapping) for words in (table.train_words, table.words))
        line = _shares([(int(own.sum()), len(own)), (int(test.sum()), len(test))], features=1, least=1)
        line |= {"n_inside": int(own.sum()), "n_outside": len(own)}
        if not shown[place]:
            line = {"status": WITHHELD, "method": reason(data.floor)}
        yield place, {**line, "kind": TRAINING, "feature": ""}


def _ranked(lines: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Put the largest difference of each slice and kind first; slices and kinds keep their order."""
    table = pd.DataFrame(list(lines)).reindex(columns=COLUMNS)
    numbers = ["error", "error_rest", "majority", "inside", "outside", "difference", "low", "high"]
    table = table.astype(dict.fromkeys(numbers, float) | dict.fromkeys(["n_inside", "n_outside"], "Int64"))
    places = {name: place for place, name in enumerate(dict.fromkeys(table["slice"]))}
    kinds = {kind: place for place, kind in enumerate([RIGHT, OUTPUT, MISSING, TRAINING, ""])}
    table = table.assign(
        _slice=table["slice"].map(places), _kind=table["kind"].map(kinds), _size=-table["difference"].abs()
    )
    table = table.sort_values(["_slice", "_kind", "_size", "feature"], kind="stable").reset_index(drop=True)
    table["rank"] = table.groupby(["_slice", "_kind"]).cumcount() + 1
    table["unit"] = table["unit"].astype(object).fillna("").astype("str")
    return table[COLUMNS]
