"""The figures of several mitigations on the same rows: what each costs, the gap it leaves, and how sure both are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET, units_of
from mlopskit.evaluate.gains import measured
from mlopskit.evaluate.groups.bias import disparities
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.mitigation.change import PARTS, gap_change
from mlopskit.evaluate.privacy.tables import plan_for
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED, get_metric, paired_difference
from mlopskit.tally import Tally, block_of
from mlopskit.tally.floor.plan import SHOWN
from mlopskit.tally.floor.tables import WITHHELD, reason

COLUMNS = [
    "mitigation", "split", "n", "metric", "value", "low", "high", "majority", "cost", "cost_low", "cost_high", "column",
    "gap", "groups", "difference", "difference_low", "difference_high", "change", "change_low", "change_high", "pareto",
    "use", "method", "status",
]  # fmt: skip
_TEXT = {"mitigation", "split", "metric", "column", "gap", "groups", "use", "method", "status"}


@dataclass(frozen=True)
class Answer:
    """What one mitigation decides for the rows of one split.

    Attributes
    ----------
    name, split : str
        The mitigation; ``validation`` or ``test``.
    prediction : ndarray of int, shape (n,), or None
        None where it could not be fitted.
    score : ndarray, shape (n,), or None
        None where there are decisions alone.
    use, method : str
        Whether it may be chosen; how it was made.
    why : str
        Why there is no prediction.
    """

    name: str
    split: str
    prediction: Any
    score: Any
    use: str
    method: str
    why: str = ""


def table_of(
    answers: Sequence[Answer],
    data: GroupedRows,
    names: Mapping[str, str],
    headline: str | None,
    *,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """Measure answers; the first of each split is what the others are compared with.

    Parameters
    ----------
    answers : sequence of Answer
        May be empty.
    data : GroupedRows
        Rows and groups of both splits.
    names : mapping
        column, metric (what a mitigation costs) and gap (what is compared between groups).
    headline : str, optional
        A further metric to measure, where it needs scores. Accuracy is another, but under a privacy floor: with the
        balanced one it would tell all four counts.
    replicates, seed : int
        Of the draws.
    """
    rows: list[dict[str, Any]] = []
    first: dict[str, Answer] = {}
    answers = list(answers)
    further = [headline, *(["accuracy"] if data.floor < 2 else [])]
    metrics = list(dict.fromkeys(name for name in (names.get("metric"), *further) if name))
    hidden = {
        split: _withheld(answers, split, data, names) for split in dict.fromkeys(answer.split for answer in answers)
    }
    for answer in answers:
        reference = first.setdefault(answer.split, answer)
        judged = _Judged(answer, reference, data, dict(names), replicates, seed, hidden[answer.split])
        rows += [judged.row(metric) for metric in metrics]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["pareto"] = _undominated(table, names.get("metric", ""))
    kinds = {name: "str" if name in _TEXT else "float64" for name in COLUMNS} | {"n": "int64", "pareto": "bool"}
    return table.astype(kinds)


@dataclass(frozen=True)
class _Judged:
    """One answer beside the one that it is compared with."""

    answer: Answer
    reference: Answer
    data: GroupedRows
    names: dict[str, str]
    replicates: int
    seed: int
    hidden: frozenset[str] = frozenset()

    def row(self, metric: str) -> dict[str, Any]:
        answer = self.answer
        base = {"mitigation": answer.name, "split": answer.split, "n": len(self._rows), "metric": metric}
        base |= {"column": self.names["column"], "gap": self.names["gap"], "groups": "", "use": answer.use}
        base["majority"] = self._guessed(metric)
        if answer.prediction is None:
            return base | {"method": answer.method, "status": answer.why}
        gap = dict(self._gap)
        if get_metric(metric, "binary").uses == "score" and answer.score is None:
            gap.pop("method_of", None)
            return base | gap | {"method": answer.method, "status": "not applicable: decisions without scores"}
        table = measured(self._truth, self._arrays(answer), self._units, metrics=[metric], **self._options)
        found = table.to_dict("records")[0]
        figures = {key: found[key] for key in ("value", "low", "high")}
        cost = self._cost(metric)
        methods = {"figure": found["method"], "gap": gap.pop("method")}
        methods |= {
            name: part.pop("method_of") for name, part in (("cost", cost), ("change", gap)) if "method_of" in part
        }
        method = "; ".join([answer.method, *(f"{name}: {words}" for name, words in methods.items())])
        status = ESTIMATED if {found["status"], gap["status"]} == {ESTIMATED} else NOT_ESTIMATED
        status = WITHHELD if gap["status"] == WITHHELD else status
        return base | gap | figures | cost | {"method": method, "status": status}

    @property
    def _rows(self) -> pd.DataFrame:
        return self.data.test if self.answer.split == "test" else self.data.validation

    @property
    def _truth(self) -> npt.NDArray[np.int64]:
        return self._rows[TARGET].to_numpy()

    @property
    def _options(self) -> dict[str, Any]:
        return {"task": "binary", "replicates": self.replicates, "seed": self.seed}

    @property
    def _units(self) -> pd.Series[Any] | None:
        return units_of(self._rows, self.data.columns.group)

    @cached_property
    def _blocks(self) -> npt.NDArray[np.int64] | None:
        return None if self._units is None else block_of(self._units)

    @staticmethod
    def _arrays(answer: Answer) -> tuple[Any, Any]:
        return answer.prediction, answer.score

    def _guessed(self, metric: str) -> float:
        """What guessing the commonest class of these rows scores, with its share as score; it treats groups alike."""
        share = float(self._truth.mean()) if len(self._truth) else np.nan
        guess, score = np.full(len(self._truth), int(share > 0.5)), np.full(len(self._truth), share)
        return float(get_metric(metric, "binary").function(self._truth, guess, score))

    def _cost(self, metric: str) -> dict[str, Any]:
        """What the metric loses against the reference, paired, and by which method; nothing for the reference."""
        if self.answer is self.reference:
            return {}
        pair = (self._arrays(self.reference), self._arrays(self.answer))
        found = paired_difference(self._truth, *pair, metric=metric, blocks=self._blocks, **self._options)
        if get_metric(metric, "binary").greater_is_better is False:
            return {"cost": -found.value, "cost_low": -found.high, "cost_high": -found.low, "method_of": found.method}
        return {"cost": found.value, "cost_low": found.low, "cost_high": found.high, "method_of": found.method}

    @cached_property
    def _gap(self) -> dict[str, Any]:
        """The largest difference between groups, and its change against the reference; the same for every metric."""
        every = self.data.grouping.transform(self._rows)[self.names["column"]].to_numpy()
        shown = ~np.isin(every, sorted(self.hidden))
        groups, total = every[shown], len(set(every))
        if self.hidden and len(set(groups)) < 2:
            of = f"{len(set(groups))} of {total}"
            return {"groups": of, "difference": np.nan, "method": reason(self.data.floor), "status": WITHHELD}
        truth, before, after = (
            np.asarray(part)[shown] for part in (self._truth, self.reference.prediction, self.answer.prediction)
        )
        counted = pd.DataFrame({TARGET: truth, "prediction": after, "group": groups})
        if self._units is not None:
            counted["unit"] = self._units.to_numpy()[shown]
        parts = PARTS[self.names["gap"]]
        options: dict[str, Any] = {"metrics": list(parts), "replicates": self.replicates, "seed": self.seed}
        unit = "unit" if "unit" in counted else None
        table = disparities(Tally.from_table(counted, ["group"], task="binary", unit=unit), **options)
        row = table[table["metric"] == self.names["gap"]].to_dict("records")[0]
        kept = ("groups", "difference", "difference_low", "difference_high", "method", "status")
        found = {key: row[key] for key in kept}
        if self.hidden:
            found["groups"] = f"{str(row['groups']).partition(' of ')[0]} of {total}"
        if self.answer is self.reference or row["status"] != ESTIMATED:
            return found
        change = gap_change(
            truth, before, after, groups, gap=self.names["gap"], replicates=self.replicates, seed=self.seed,
            blocks=None if self._blocks is None else self._blocks[shown],
        )  # fmt: skip
        return found | dict(zip(("change", "change_low", "change_high", "method_of"), change, strict=True))


def _withheld(answers: Sequence[Answer], split: str, data: GroupedRows, names: Mapping[str, str]) -> frozenset[str]:
    """Groups of which the privacy floor withholds anything, by the decisions of any answer to the rows of a split.

    All answers leave out the same groups: two choices of what protects a small group could be subtracted.
    """
    if data.floor < 2:
        return frozenset()
    rows, column = (data.test if split == "test" else data.validation), names["column"]
    groups = data.grouping.transform(rows)[[column]]
    plans = [data.plan] if split == "test" else []
    for answer in answers:
        if answer.split == split and answer.prediction is not None:
            decided = pd.DataFrame({TARGET: rows[TARGET].to_numpy(), "prediction": np.asarray(answer.prediction)})
            plans.append(plan_for(groups, decided, data.target, data.floor))
    states = [item for plan in plans for item in plan.names([column]).items()]
    return frozenset(name for name, state in states if state != SHOWN)


def _undominated(table: pd.DataFrame, metric: str) -> list[bool]:
    """Tell for each row whether no other of its split is as good in gap and figure, and better in one of them."""
    marked = []
    for row in table.to_dict("records"):
        rivals = table[(table["split"] == row["split"]) & (table["metric"] == metric)]
        if row["metric"] != metric or not np.isfinite([row["difference"], row["value"]]).all():
            marked.append(False)
            continue
        sign = -1.0 if get_metric(metric, "binary").greater_is_better is False else 1.0
        gap, value = rivals["difference"].astype(float), sign * rivals["value"].astype(float)
        as_good = (gap <= row["difference"]) & (value >= sign * row["value"])
        better = (gap < row["difference"]) | (value > sign * row["value"])
        marked.append(not bool((as_good & better).any()))
    return marked
