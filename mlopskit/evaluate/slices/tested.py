"""What became of slices on test rows: those found, and every declared group whatever its score.

Both are tested together, so that the share of false findings is controlled over all that is shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Note, Table
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.privacy.tables import hide_slices, slices_of_shown_groups, slices_shown
from mlopskit.evaluate.slices.confirm import confirm_slices
from mlopskit.evaluate.slices.errors import RowErrors, slice_errors
from mlopskit.evaluate.slices.find import in_words
from mlopskit.evaluate.slices.found import SliceFeatures, score_of
from mlopskit.evaluate.slices.guess import guessed
from mlopskit.runs import Run
from mlopskit.runs.uses import count_use

SEARCHED, DECLARED = "searched", "declared"


def confirmed_slices(
    data: GroupedRows,
    features: SliceFeatures,
    found: pd.DataFrame,
    *,
    by: str = "error",
    alpha: float = 0.99,
    level: float = 0.05,
    method: Literal["bh", "by"] = "bh",
) -> pd.DataFrame:
    """Test the slices found, and every declared group, on test rows.

    Parameters
    ----------
    data : GroupedRows
    features : SliceFeatures
    found : DataFrame
        As from `worst_slices` with the same `by`.
    by : str
        What slices were searched by; the test is over the rows at risk, for false positives the actual negatives.
    alpha : float
        For the score of the declared groups.
    level, method
        As for `confirm_slices`; the adjustment is over all rows of the table.

    Returns
    -------
    DataFrame
        The columns of `confirm_slices`, the slice in words, origin (``searched`` or ``declared``), measure (what the
        errors are, such as ``false positive rate``) and majority (as in `worst_slices`, on test rows). Empty where
        `by` does not apply to the task.
    """
    seen, errors = (slice_errors(t, data.target, by=by) for t in (data.predictions_validation, data.predictions))
    if isinstance(seen, str) or isinstance(errors, str):
        return pd.DataFrame(columns=["slice", "origin", "confirmed"])
    plain = found[["columns", "level", "n", "error", "score"]].rename(columns={"columns": "slice"})
    known = {_key(chosen) for chosen in plain["slice"]}
    own = seen.of(features.validation)
    declared = [
        {"slice": chosen, **score_of(chosen, own, seen.each, alpha=alpha)}
        for chosen in _declared(data, features)
        if _key(chosen) not in known
    ]
    every = pd.DataFrame([*plain.to_dict("records"), *declared], columns=plain.columns)
    options: dict[str, Any] = {"level": level, "method": method, "unit": _whose(data, errors)}
    tested = confirm_slices(every, errors.of(features.test), errors.each, **options)
    words = [in_words(chosen) for chosen in every["slice"]]
    origin = np.repeat([SEARCHED, DECLARED], [len(plain), len(declared)])
    tested = tested.assign(slice=words)
    tested.insert(1, "origin", origin)
    tested.insert(2, "measure", errors.mean_name)
    chosen = list(every["slice"])
    tested["majority"] = guessed(chosen, errors.of(features.test), data.predictions, data, by=by)
    if data.floor < 2:
        return tested
    published = [*found["n"].notna(), *[False] * len(declared)]
    shown = slices_shown(chosen, own, floor=data.floor, published=published)
    shown &= slices_shown(chosen, errors.of(features.test), floor=data.floor)
    levels = {name: data.grouping.levels(name) for name in data.grouping.names}
    shown &= slices_of_shown_groups(chosen, data.plan, levels)
    return hide_slices(tested, shown, data.floor)


def confirmed_better(
    data: GroupedRows,
    features: SliceFeatures,
    better: pd.DataFrame,
    *,
    by: str = "error",
    level: float = 0.05,
    method: Literal["bh", "by"] = "bh",
) -> pd.DataFrame:
    """Test on test rows the slices where the model does unusually well: that they are better than the rest.

    Parameters
    ----------
    data : GroupedRows
    features : SliceFeatures
    better : DataFrame
        As from `worst_slices` with the same `by` and ``direction="better"``.
    by : str
        What slices were searched by.
    level, method
        As for `confirm_slices`; the adjustment is over these slices, whose claim is another than that of the worst.

    Returns
    -------
    DataFrame
        `better` with n_test, error_test, error_rest, p_value, adjusted, confirmed, power, status and method. As it was
        where there is nothing to test, or where a privacy floor withholds it.
    """
    errors = slice_errors(data.predictions, data.target, by=by)
    if better.empty or isinstance(errors, str) or better["n"].isna().all():
        return better
    plain = better[["columns", "level", "n", "error", "score"]].rename(columns={"columns": "slice"})
    options: dict[str, Any] = {"level": level, "method": method, "unit": _whose(data, errors)}
    tested = confirm_slices(plain, errors.of(features.test), errors.each, direction="better", **options)
    return better.assign(
        **{name: tested[name].to_numpy() for name in tested.columns.difference(plain.columns, sort=False)}
    )


def _whose(data: GroupedRows, errors: RowErrors) -> pd.Series[Any] | None:
    """Whom each test row at risk belongs to, where somebody has several."""
    return None if data.unit is None else errors.of(data.unit.to_frame("unit"))["unit"]


def _key(chosen: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(chosen.items()))


def _declared(data: GroupedRows, features: SliceFeatures) -> Iterator[dict[str, Any]]:
    """Yield each group of each declared column that validation or test rows have."""
    for name in data.grouping.names:
        if name in features.validation.columns:
            present = {*features.validation[name].unique(), *features.test[name].unique()}
            yield from ({name: group} for group in sorted(present, key=str))


def show_confirmed(tested: pd.DataFrame, *, level: float = 0.05) -> Table | Note:
    """Show what became of the slices on test rows, the surest first, unconfirmed ones too, and what may be claimed."""
    if tested.empty:
        return display.note("Not applicable: there is no slice and no declared group that could be tested.")
    headings = {
        "error": "error, validation", "n_test": "test rows", "error_test": "error, test",
        "error_rest": "error outside", "p_value": "p", "adjusted": "adjusted p", "majority": "majority guess",
    }  # fmt: skip
    guess = ["majority"] if tested["majority"].notna().any() else []
    methods = tested["method"].unique()
    columns = [
        "slice", "origin", "error", "n_test", "error_test", "error_rest", *guess, "p_value", "adjusted", "power",
        "status", *(["method"] if len(methods) > 1 else []),
    ]  # fmt: skip
    told = claim(tested, level=level) + (f" Every test: {methods[0]}." if len(methods) == 1 else "")
    order = tested.sort_values(["confirmed", "adjusted"], ascending=[False, True], kind="stable")
    where = "in the artefact confirmed"
    return display.table(order, columns=columns, held=100, headings=headings, caption=told, where=where)


def claim(tested: pd.DataFrame, *, level: float = 0.05) -> str:
    """Say how many slices were confirmed and what that means."""
    confirmed = int(tested["confirmed"].sum())
    head = f"{confirmed} of {len(tested)} slices and declared groups are confirmed on test rows."
    if not confirmed:
        return f"{head} What was found may be chance."
    return (
        f"{head} Of the confirmed slices at most {level * 100:g} % are expected to be no worse than the rest; not each "
        "single one, not a cause, not worse than its parent."
    )


def count_uses(run: Run, data: GroupedRows, tested: pd.DataFrame) -> dict[str, int]:
    """Record that the test rows were used for these tests, and return how many other uses came before.

    The same slices tested on the same answers are the same test, however often it is repeated; that this model was
    evaluated on these rows is no other use, that another one was is.

    Returns
    -------
    dict
        slices: how many are tested now; before: earlier evaluations of another model, and tests of other slices or of
        another model, on the same test rows.
    """
    evaluated = count_evaluation(run, data.predictions)
    answers = pd.util.hash_pandas_object(data.predictions, index=False).to_numpy()
    asked = json.dumps(sorted(map(str, tested["slice"])), ensure_ascii=False).encode()
    question = hashlib.sha256(answers.tobytes() + asked).hexdigest()
    before = count_use(run, "data/test", question=question)
    return {"slices": len(tested), "before": before - (evaluated < before)}


def count_evaluation(run: Run, predictions: pd.DataFrame) -> int:
    """Record that the test rows were used to evaluate a model, and return how many other uses came before.

    Parameters
    ----------
    run : Run
        A phase that has read ``data/test``.
    predictions : DataFrame
        The model's answers; the same answers are the same use, however often and in whichever phase they are made.
    """
    answers = pd.util.hash_pandas_object(predictions, index=False).to_numpy()
    return count_use(run, "data/test", question=hashlib.sha256(b"evaluation" + answers.tobytes()).hexdigest())


def uses_note(counted: dict[str, int]) -> Note:
    """Say how often the test rows were used before."""
    before = counted["before"]
    if not before:
        return display.note(
            "These test rows were not used before to evaluate another model or to test slices, as far as this project "
            "records."
        )
    times = "once" if before == 1 else f"{before} times"
    return display.note(
        f"These test rows were used {times} before, to evaluate another model or to test other slices.",
        "Each look at the same rows makes it likelier that what they confirm is chance; the adjustment covers this "
        "table only.",
        tone="warning",
    )
