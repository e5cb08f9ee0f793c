"""The privacy floor in the monitor phase: what of windows, of groups by window and of the reference may be shown.

A window is a group too: the requests of a week. Where one has fewer rows, fewer known labels or fewer of a class than
the floor, its figures are withheld in every table, with those of windows that would give it away; alerts are raised
from what is left, and a window that is withheld is never an all-clear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import Columns, Target
from mlopskit.monitor.groups import group_labels_of
from mlopskit.monitor.profile import Profile
from mlopskit.monitor.traffic import Traffic
from mlopskit.tally.floor.plan import SHOWN, plan_floor
from mlopskit.tally.floor.tables import states_of, watch, withhold


@dataclass(frozen=True)
class Floor:
    """What the privacy floor k lets monitoring show of the traffic; without a floor all of it."""

    traffic: Traffic
    target: Target
    k: int = 0

    @property
    def kind(self) -> npt.NDArray[np.int64]:
        """What each request counts as: 0 where its label is not known, else 1, or 1 + its class."""
        known = self.traffic.known
        classes = np.nan_to_num(self.traffic.labels).astype(np.int64) if self.target.is_classification else 0
        return np.where(known, 1 + classes, 0).astype(np.int64)

    def windows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Withhold the figures of windows in a table that has a row or more for each."""
        if self.k < 2 or table.empty:
            return table
        labels = np.array(self.traffic.windows.labels, dtype=object)
        states = states_of(labels[self.traffic.windows.position], self.kind, floor=self.k)
        shown = withhold(table, [states.get(str(label), SHOWN) for label in table["window"]], self.k, sizes=())
        times = [name for name in ("first", "last") if name in shown]
        hidden = shown["status"].eq("hidden") if "status" in shown else pd.Series(data=False, index=shown.index)
        return shown.astype(dict.fromkeys(times, "object")).mask(hidden.to_numpy()[:, None] & shown.columns.isin(times))

    def inputs(self, table: pd.DataFrame) -> pd.DataFrame:
        """Withhold, besides whole windows, how many values are missing or unusual where they are few."""
        if self.k < 2 or table.empty:
            return table
        states = np.full(len(table), SHOWN, dtype=np.int64)
        for places in table.groupby(["feature", "metric"], sort=False).indices.values():
            part = table.iloc[places]
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
            plan = plan_floor(frame, self.kind, watched=watch(int(self.kind.max()) + 1), floor=self.k)
            states = [plan.of(["group", "window"], pair) for pair in zip(part["group"], part["window"], strict=True)]
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
