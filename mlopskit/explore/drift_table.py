"""What drift is made of: each column's reference beside each window, bin by bin, with the statistics of the run.

The statistics are those that the monitor phase computed and judged; nothing is tested again here. Only the counts of
each bin are made anew, with the edges of the reference that the run keeps and the traffic that it watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import Columns, Target
from mlopskit.errors import RunError, listing, nearest
from mlopskit.monitor import FeatureProfile, Profile, Traffic, read_traffic
from mlopskit.runs import Run

Ints = npt.NDArray[np.int64]

STATISTICS = {
    "psi": "population stability index (PSI)",
    "jensen_shannon": "Jensen–Shannon distance",
    "ks": "Kolmogorov–Smirnov test",
    "chi_squared": "chi-squared test",
}


@dataclass(frozen=True, eq=False)
class DriftEvidence:
    """The drift of a run, ready to be looked into.

    Attributes
    ----------
    profiles : mapping of str to FeatureProfile
        The reference of each column.
    counts : mapping of str to ndarray of int, shape (windows, bins)
        Rows of each window by bin; a column that was not logged has none.
    windows : tuple of str
        In order of time.
    drift, alerts : DataFrame
        As the monitor phase wrote them.
    floor : int
        The project's privacy floor.
    """

    profiles: Mapping[str, FeatureProfile]
    counts: Mapping[str, Ints]
    windows: tuple[str, ...]
    drift: pd.DataFrame
    alerts: pd.DataFrame
    floor: int = 0

    @classmethod
    def read(cls, run: Run) -> DriftEvidence:
        """Read what the data, deploy and monitor phases of a run left.

        Raises
        ------
        RunError
            When one of them did not end.
        """
        profile = Profile.from_dict(run.read("monitor/reference"))
        traffic = traffic_of(run)
        return cls(
            profiles={item.feature: item for item in profile.features},
            counts=bin_counts(profile, traffic),
            windows=tuple(traffic.windows.labels),
            drift=run.read("monitor/drift"),
            alerts=run.read("monitor/alerts"),
            floor=run.scope.data.privacy_floor,
        )

    @property
    def features(self) -> list[str]:
        """Every column, the one that moved farthest in any window first."""
        psi = self.drift[self.drift["statistic"] == "psi"]
        farthest = psi.groupby("feature", sort=False)["value"].max()
        return [str(name) for name in farthest.sort_values(ascending=False, kind="stable", na_position="last").index]

    def farthest(self, feature: str) -> str:
        """Return the window in which a column had moved farthest."""
        course = self.course(feature)
        ranked = course.sort_values("value", ascending=False, kind="stable", na_position="last")
        return str((ranked if course["value"].notna().any() else course.iloc[::-1])["window"].iloc[0])

    def course(self, feature: str) -> pd.DataFrame:
        """Return the PSI of a column in every window: window, n, value, chance, threshold, status."""
        own = self.drift[(self.drift["feature"] == self.known_feature(feature)) & (self.drift["statistic"] == "psi")]
        columns = ["window", "n", "value", "chance", "threshold", "status"]
        return own.set_index("window")[columns[1:]].reindex(list(self.windows)).reset_index()[columns]

    def statistics(self, feature: str, window: str) -> pd.DataFrame:
        """Return all statistics of a column in a window: statistic, n, value, chance, threshold, adjusted, status."""
        own = (self.drift["feature"] == self.known_feature(feature)) & (
            self.drift["window"] == self.known_window(window)
        )
        columns = ["statistic", "n", "value", "chance", "threshold", "adjusted", "status"]
        return self.drift.loc[own, columns].reset_index(drop=True)

    def bins(self, feature: str, window: str) -> pd.DataFrame:
        """Return a column's reference and a window of it, bin by bin.

        Returns
        -------
        DataFrame
            bin, reference, current (shares), difference, n_reference, n_current, part (of the PSI, to which they add
            up); empty where the run has no index of the column in the window: not logged, too few rows, or withheld
            by the privacy floor.
        """
        item, place = self.profiles[self.known_feature(feature)], self.windows.index(self.known_window(window))
        columns = ["bin", "reference", "current", "difference", "n_reference", "n_current", "part"]
        course = self.course(feature)
        if feature not in self.counts or not item.counts or course["value"].isna().iloc[place]:
            return pd.DataFrame(columns=columns)
        counts = self.counts[feature][place]
        before = np.asarray(item.counts, dtype=np.int64)
        p, q = before / before.sum(), counts / counts.sum()
        table = pd.DataFrame(
            {"bin": item.bins, "reference": p, "current": q, "difference": q - p, "n_reference": before,
             "n_current": counts, "part": psi_parts(before, counts)}
        )  # fmt: skip
        held: pd.DataFrame = table.loc[(before > 0) | (counts > 0), columns]
        return held.reset_index(drop=True)

    def alerts_of(self, feature: str) -> pd.DataFrame:
        """Return what the monitor phase said about the drift of a column."""
        own = (self.alerts["metric"] == "drift") & (self.alerts["feature"] == self.known_feature(feature))
        return self.alerts[own].reset_index(drop=True)

    def known_feature(self, feature: str) -> str:
        """Return the name of a column that was watched, and refuse others with a `RunError`."""
        if feature not in self.profiles:
            raise RunError(f"No column {feature!r} was watched{nearest(feature, self.profiles)}; "
                           f"{listing(self.features)} were.")  # fmt: skip
        return feature

    def known_window(self, window: str) -> str:
        """Return the name of a window, and refuse others with a `RunError`."""
        if window not in self.windows:
            raise RunError(f"There is no window {window!r}{nearest(window, self.windows)}; "
                           f"there are {listing(self.windows)}.")  # fmt: skip
        return window


def traffic_of(run: Run) -> Traffic:
    """Read the requests of a run in the windows that its monitor phase cut."""
    scope = run.scope
    return read_traffic(
        run.read("deploy/requests"),
        run.read("data/production"),
        target=Target.from_dict(run.read("data/target")),
        columns=Columns.from_dict(run.read("data/columns")),
        width=scope.monitoring.window,
        start=scope.data.production_from,
    )


def bin_counts(profile: Profile, traffic: Traffic) -> dict[str, Ints]:
    """Count every column of the traffic by window into the bins of the reference, as `monitor.drift_table` does."""
    frame, found = traffic.frame, {}
    rows = [traffic.windows.rows_of(place) for place in range(len(traffic.windows.labels))]
    for item in profile.features:
        if item.feature in frame.columns:
            parts = [frame[item.feature].iloc[chosen] for chosen in rows]
            if item.role == "output":  # a request without an answer has no output
                parts = [part.dropna() for part in parts]
            found[item.feature] = np.stack([item.count(part) for part in parts])
    return found


def psi_parts(reference: Any, current: Any) -> npt.NDArray[np.float64]:
    """Return what each bin adds to the PSI, with half a row in an empty bin as `monitor.drift_table` has it.

    Examples
    --------
    >>> psi_parts([50, 50], [80, 20]).round(3).tolist()
    [0.141, 0.275]
    """
    before, now = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    p = np.maximum(before / before.sum(), 0.5 / before.sum())
    q = np.maximum(now / now.sum(), 0.5 / now.sum())
    return np.where((before > 0) | (now > 0), (q - p) * np.log(q / p), 0.0)
