"""The privacy floor in the monitor phase: what of windows, of groups by window and of the reference may be shown.

A window is a group too: the requests of a week. Where one has fewer rows, fewer known labels or fewer of a class than
the floor, its figures are withheld in every table, with those of windows that would give it away; alerts are raised
from what is left, and a window that is withheld is never an all-clear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET, Columns, Target
from mlopskit.display import Chart, Note, note
from mlopskit.monitor.groups import group_labels_of
from mlopskit.monitor.plots import decision_chart, latest_rows
from mlopskit.monitor.profile import Profile
from mlopskit.monitor.traffic import Traffic, score_columns
from mlopskit.tally.floor.plan import HIDDEN, SHOWN, SIZE, plan_floor
from mlopskit.tally.floor.scores import cuts
from mlopskit.tally.floor.tables import WITHHELD, folded, states_of, watch, withhold

_FEW_BINS = 6


@dataclass(frozen=True)
class Floor:
    """What the privacy floor k lets monitoring show of the traffic; without a floor all of it."""

    traffic: Traffic
    target: Target
    k: int = 0

    @cached_property
    def kind(self) -> npt.NDArray[np.int64]:
        """What each request counts as: what is known of its label, times 4, plus 2 if called positive, 1 if deferred.

        Of the label: 0 where it is not known, else 1, or 1 + its class.
        """
        known = self.traffic.known
        classes = np.nan_to_num(self.traffic.labels).astype(np.int64) if self.target.is_classification else 0
        states = np.where(known, 1 + classes, 0).astype(np.int64)
        return np.asarray(states * 4 + self._called * 2 + self._deferred, dtype=np.int64)

    @property
    def _called(self) -> npt.NDArray[np.int64]:
        """Requests of two classes that were called positive: what precision is divided by."""
        if self.target.task != "binary":
            return np.zeros(len(self.traffic.known), dtype=np.int64)
        answers = pd.to_numeric(self.traffic.log["prediction"], errors="coerce").to_numpy(dtype=float)
        return np.asarray((answers == 1) & self.traffic.answered, dtype=np.int64)

    @property
    def _deferred(self) -> npt.NDArray[np.int64]:
        """Requests that people decide."""
        if "decided_by" not in self.traffic.log:
            return np.zeros(len(self.traffic.known), dtype=np.int64)
        return np.asarray(self.traffic.log["decided_by"].astype(str) == "person", dtype=np.int64)

    @cached_property
    def watched(self) -> npt.NDArray[np.int64]:
        """The protected counts: all, each state of the label, the called (and known or not), the deferred."""
        states = int(self.kind.max()) // 4 + 1
        kinds = np.meshgrid(np.arange(states), [0, 1], [0, 1], indexing="ij")
        label, called, deferred = (kind.ravel() for kind in kinds)
        lines = [np.ones(states * 4), *(label == state for state in range(states))]
        lines += [called, called * (label > 0), called * (label == 0), deferred]
        return np.array(lines, dtype=np.int64)

    def windows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Withhold the figures of windows in a table that has a row or more for each."""
        if self.k < 2 or table.empty:
            return table
        window = np.array([self._states.get(str(label), SHOWN) for label in table["window"]])
        shown = withhold(table, np.minimum(window, self._by_own_size(table)), self.k, sizes=())
        if "change" in shown:
            shown.loc[shown["status"] == WITHHELD, "change"] = "–"
        times = [name for name in ("first", "last") if name in shown]
        hidden = shown["status"].eq(WITHHELD) if "status" in shown else pd.Series(data=False, index=shown.index)
        return shown.astype(dict.fromkeys(times, "object")).mask(hidden.to_numpy()[:, None] & shown.columns.isin(times))

    def _by_own_size(self, table: pd.DataFrame) -> npt.NDArray[np.int64]:
        """What is shown of each row by its own n, such as the requests that were timed; those of a metric add up."""
        states = np.full(len(table), SHOWN, dtype=np.int64)
        if "n" not in table or "metric" not in table:
            return states
        n = table["n"].fillna(0).to_numpy(dtype=np.int64)
        one = table["window"].isin(self.traffic.windows.labels).to_numpy(bool)
        for metric in table["metric"].unique():
            inside = np.flatnonzero(one & (table["metric"] == metric).to_numpy(bool))
            if ((n[inside] > 0) & (n[inside] < self.k)).any():
                found = states_of(np.repeat(inside.astype(str), n[inside]), floor=self.k)
                states[inside] = [found.get(str(place), SHOWN) for place in inside]
        return states

    @cached_property
    def _states(self) -> dict[str, int]:
        """What is shown of each window."""
        labels = np.array(self.traffic.windows.labels, dtype=object)
        return states_of(labels[self.traffic.windows.position], self.kind, floor=self.k, watched=self.watched)

    def drift(self, table: pd.DataFrame, profile: Profile, columns: Columns) -> pd.DataFrame:
        """Withhold distances from which few people could be counted; round the others to two decimals.

        With the shares of the reference, a distance over few bins has one solution: the rows in each. So of a column
        with at most six bins windows are withheld like a table of bins by window; of more, whole counts have many
        solutions once the distance is rounded. Groups of declared columns are counted elsewhere too, where others are
        withheld to protect a small one; so a declared column with a small bin in any window is withheld in all.
        """
        if self.k < 2 or table.empty:
            return table
        states = np.full(len(table), SHOWN, dtype=np.int64)
        for name, places in table.groupby("feature", sort=False).indices.items():
            found = self._bins_by_window(profile, str(name), declared=str(name) in map(str, columns.by))
            states[places] = [found.get(str(label), SHOWN) for label in table["window"].iloc[places]]
        figures = [name for name in ("value", "p_value", "adjusted") if name in table]
        return self.windows(withhold(table.assign(**table[figures].round(2)), states, self.k))

    def _bins_by_window(self, profile: Profile, name: str, *, declared: bool) -> dict[str, int]:
        """Plan the table of one column's bins by window."""
        windows, frame = self.traffic.windows, self.traffic.frame
        if name not in profile.names or name not in frame:
            return {}
        parts = [profile[name].count(frame[name].iloc[windows.position == i]) for i in range(len(windows.labels))]
        counts = np.array(parts, dtype=np.int64)
        counts = counts[:, counts.any(axis=0)]
        small = bool(((counts > 0) & (counts < self.k)).any())
        if not small or (counts.shape[1] > _FEW_BINS and not declared):
            return {}
        if declared:
            return {str(label): SIZE for label in windows.labels}
        groups = np.repeat(np.repeat(np.array(windows.labels, dtype=object), counts.shape[1]), counts.ravel())
        kind = np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), counts.ravel())
        return states_of(groups, kind, floor=self.k)

    def scores(self, validation: pd.DataFrame) -> tuple[Traffic, pd.DataFrame]:
        """Return traffic and validation rows for `score_chart`, without scores from which few rows could be counted.

        Scores are spread evenly between places of which any two have no rows between them or as many as the floor; on
        validation rows these are the cuts of the chart that chose the threshold. In a window they keep called from
        other rows apart and deferred from decided ones, since both are counted there; where one of these is too small,
        and in windows that are withheld, there are no scores.
        """
        name = "score" if "score" in self.traffic.outputs else "prediction"
        if self.k < 2 or (self.target.is_classification and name == "prediction"):
            return self.traffic, validation
        outputs = self.traffic.outputs.copy()
        spread = outputs[name].to_numpy(dtype=float).copy()
        for index, label in enumerate(self.traffic.windows.labels):
            rows = self.traffic.windows.rows_of(index)
            rows = rows[self.traffic.answered[rows]]
            values = spread[rows]
            shown = self._states.get(str(label)) == SHOWN
            spread[rows] = _spread(values, _places(values, self.kind[rows] % 4, self.k if shown else len(values) + 1))
        outputs[name] = spread
        own = score_columns(validation) if name == "score" else ["prediction"]
        then = validation[own].max(axis=1).to_numpy(dtype=float)
        places = _places(then, np.zeros(len(then), dtype=np.int64), self.k)
        if self.target.task == "binary":
            called = (validation["prediction"] == 1).to_numpy()
            places = np.sort(cuts(validation[TARGET].to_numpy() == 1, then, called, floor=self.k))
        return replace(self.traffic, outputs=outputs), validation.assign(**dict.fromkeys(own, _spread(then, places)))

    def decision_chart(self, windows: pd.DataFrame, validation: pd.DataFrame, *, bound: float | None) -> Chart | Note:
        """Draw `plots.decision_chart`, unless a class was predicted for few rows of those that it counts."""
        if self.k > 1 and self.target.task == "multiclass":
            latest, label = latest_rows(self.traffic)
            now, then = self.traffic.log["prediction"].iloc[latest], validation["prediction"]
            few = any(part.value_counts().lt(self.k).any() for part in (now, then))
            if few or self._states.get(label, SHOWN) != SHOWN:
                return note(f"Not shown: a class was predicted for fewer rows than the privacy floor of {self.k}.")
        return decision_chart(windows, self.traffic, validation, target=self.target, bound=bound)

    def stream(self, table: pd.DataFrame) -> pd.DataFrame:
        """Withhold which row an alarm came at, where it lies in the stream, and the error rate up to it.

        The row of an alarm is an error, so its id, or its place, tells what became of one person.
        """
        if self.k < 2:
            return table
        whole = [name for name in ("row", "position") if name in table]
        hidden = table.astype(dict.fromkeys(whole, "Int64"))
        hidden[whole] = pd.NA
        return hidden.assign(error_rate=np.nan)

    def inputs(self, table: pd.DataFrame, columns: Columns | None = None) -> pd.DataFrame:
        """Withhold, besides whole windows, how many values are missing or unusual where they are few.

        Missing and unseen values of declared columns are groups, which `groups` may withhold to protect another; of
        `columns`, where they are given, these are withheld in all windows unless there are none.
        """
        if self.k < 2 or table.empty:
            return table
        states = np.full(len(table), SHOWN, dtype=np.int64)
        declared = [] if columns is None else [str(name) for name in columns.by]
        for places in table.groupby(["feature", "metric"], sort=False).indices.values():
            part = table.iloc[places]
            if str(part["feature"].iloc[0]) in declared and part["successes"].any():
                states[places] = SIZE
                continue
            n, hits = part["n"].to_numpy(np.int64), part["successes"].to_numpy(np.int64)
            groups = np.repeat(np.tile(part["window"].to_numpy(object), 2), np.concatenate([n - hits, hits]))
            kind = np.repeat([0, 1], [int((n - hits).sum()), int(hits.sum())])
            if len(groups):
                found = states_of(groups, kind, floor=self.k, watched=watch(2))
                states[places] = [found.get(str(label), SHOWN) for label in part["window"]]
        return self.windows(withhold(table, states, self.k))

    def groups(self, table: pd.DataFrame) -> pd.DataFrame:
        """Withhold the figures of groups in windows."""
        if self.k < 2 or table.empty:
            return table
        labels = np.array(self.traffic.windows.labels, dtype=object)[self.traffic.windows.position]
        parts = []
        for name, part in table.groupby("slice", sort=False):
            if name not in self.traffic.logged:
                parts.append(part)
                continue
            frame = pd.DataFrame({"group": group_labels_of(self.traffic, str(name)).to_numpy(), "window": labels})
            plan = plan_floor(frame, self.kind, watched=self.watched, floor=self.k)
            pairs = zip(part["group"], part["window"], strict=True)
            # totals that had to be withheld for its cells' sake stand in other tables and in phase 6: then no cell may
            given = all(
                plan.of([str(axis)], [label]) == SHOWN
                for axis in frame
                for label, state in states_of(frame[axis], self.kind, floor=self.k, watched=self.watched).items()
                if state == SHOWN
            )
            states = [plan.of(["group", "window"], pair) if given else HIDDEN for pair in pairs]
            parts.append(withhold(part, states, self.k, sizes=()))
        return self.windows(pd.concat(parts, ignore_index=True))

    def profile(self, profile: Profile, columns: Columns) -> pd.DataFrame:
        """Return `Profile.table` without the missing share and largest bin of columns whose counts are withheld."""
        table = profile.table()
        hidden = [not feature["counts"] for feature in self.reference(profile, columns)["features"]]
        if self.k > 1:
            table.loc[hidden, ["missing_share", "largest_bin"]] = np.nan, "hidden"
        return table

    def reference(self, profile: Profile, columns: Columns) -> dict[str, Any]:
        """Return the record of the reference to keep, without counts by which a small group could be had.

        Those of declared columns are withheld, since phase 2 shows their groups on the same rows; those of others
        where a bin is too small.
        """
        record = profile.to_dict()
        for feature in record["features"] if self.k > 1 else ():
            counts = np.array(feature["counts"], dtype=np.int64)
            if feature["feature"] in map(str, columns.by) or ((counts > 0) & (counts < self.k)).any():
                feature["counts"] = []
        return record


def _places(values: Any, kind: Any, floor: int) -> npt.NDArray[np.float64]:
    """Return the lowest value of each cell of enough rows, rising; cells never join rows of another kind.

    There is none where rows of one kind that lie together are too few.
    """
    levels, home = np.unique(values, return_inverse=True)
    ends = np.full((2, len(levels)), [[np.inf], [-np.inf]])
    np.minimum.at(ends[0], home, kind)
    np.maximum.at(ends[1], home, kind)
    counts = np.bincount(home, minlength=len(levels))[:, None]
    parts = np.split(counts, np.flatnonzero((np.diff(ends) != 0).any(axis=0)) + 1)
    if any(part.sum() < floor for part in parts):
        return np.array([])
    return np.asarray(levels[np.concatenate([np.append(True, np.diff(folded(part, floor)) > 0) for part in parts])])


def _spread(values: Any, places: Any) -> npt.NDArray[np.float64]:
    """Spread the values of each cell evenly up to the next place, the last ones up to the largest value."""
    if not len(places):
        return np.full(len(values), np.nan)
    order = np.argsort(values, kind="stable")
    cell = np.searchsorted(places, values[order], side="right") - 1
    rank = np.arange(len(values)) - np.searchsorted(cell, cell)
    low, high = places[cell], np.append(places[1:], values.max())[cell]
    spread = np.empty(len(values))
    spread[order] = low + (high - low) * (rank + 0.5) / np.bincount(cell)[cell]
    return spread
