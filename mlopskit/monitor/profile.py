"""The reference profile: what the data and the scores looked like when the model was accepted.

Monitoring compares production with this, so it holds all that is needed and nothing that identifies a row: bin edges at
quantiles of the reference, counts per bin, the range, how much was missing, the share of the target, the metric values.
Counts of the same edges add, so a profile made in parts equals one made at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.errors import DataError

OTHER = "other"
MISSING = "missing"
MOST_CATEGORIES = 20


@dataclass(frozen=True)
class FeatureProfile:
    """How one column was distributed.

    Attributes
    ----------
    feature : str
        Its name.
    role : str
        ``input`` for what goes into the model, ``output`` for what comes out.
    kind : str
        ``numeric`` or ``categorical``.
    edges : tuple of float
        Inner bin edges of a numeric column; a bin holds values up to and including its upper edge.
    categories : tuple of str
        Categories with a bin of their own, most frequent first; all further ones share the bin ``other``.
    known : tuple of str
        Every category that the reference holds.
    counts : tuple of int
        Rows in each bin; the last two bins are ``other`` (categorical only) and ``missing``.
    low, high : float, optional
        Range of a numeric column.
    """

    feature: str
    role: str
    kind: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def n(self) -> int:
        """Rows counted, the missing ones too."""
        return int(sum(self.counts))

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return int(self.counts[-1]) if self.counts else 0

    @property
    def bins(self) -> list[str]:
        """Labels of the bins, in the order of `counts`."""
        if self.kind == "categorical":
            return [*self.categories, OTHER, MISSING]
        if not self.edges:
            return ["any value", MISSING]
        inner = [f"{a:.4g} to {b:.4g}" for a, b in zip(self.edges[:-1], self.edges[1:], strict=True)]
        return [f"up to {self.edges[0]:.4g}", *inner, f"over {self.edges[-1]:.4g}", MISSING]

    def count(self, values: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Count `values` into this profile's bins.

        Returns
        -------
        ndarray of int, shape (n_bins,)
        """
        if self.kind == "categorical":
            text = as_text(values)
            position = {name: index for index, name in enumerate(self.categories)}
            codes = text.map(position).fillna(len(position)).to_numpy(dtype=np.int64)
            codes = np.where(text.isna().to_numpy(), len(position) + 1, codes)
            return np.bincount(codes, minlength=len(position) + 2)
        numbers = as_numbers(values)
        codes = np.searchsorted(np.asarray(self.edges), numbers, side="left")
        codes = np.where(np.isnan(numbers), len(self.edges) + 1, codes)
        return np.bincount(codes, minlength=len(self.edges) + 2)

    def __add__(self, other: FeatureProfile) -> FeatureProfile:
        """Add the counts of the same bins.

        Raises
        ------
        DataError
            When the bins differ.
        """
        if (self.feature, self.kind, self.edges, self.categories) != (
            other.feature, other.kind, other.edges, other.categories,
        ):  # fmt: skip
            raise DataError(
                f"The profiles of {self.feature!r} have other bins than each other, so their counts do not add; "
                "count both with the bins of one of them (FeatureProfile.recount)."
            )
        return replace(
            self,
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            known=tuple(dict.fromkeys([*self.known, *other.known])),
            low=_pick(min, self.low, other.low),
            high=_pick(max, self.high, other.high),
        )

    def recount(self, values: pd.Series[Any]) -> FeatureProfile:
        """Return a profile of other rows in the same bins, ready to be added."""
        counts = tuple(int(n) for n in self.count(values))
        if self.kind == "categorical":
            return replace(self, counts=counts, known=tuple(as_text(values).dropna().unique()))
        return replace(self, counts=counts, **_range(as_numbers(values)))


@dataclass(frozen=True)
class Profile:
    """The reference: one `FeatureProfile` a column, and the figures that the model was accepted with.

    Attributes
    ----------
    features : tuple of FeatureProfile
        Inputs, then outputs.
    n : int
        Rows that the inputs were profiled on.
    target : dict
        ``{"value": share or mean, "n": rows, "successes": …}`` of the target in the reference.
    metrics : tuple of dict
        metric, value, low, high, n: what the model scored on data it had not been trained on.
    methods : dict
        How each part was made, in words.
    """

    features: tuple[FeatureProfile, ...]
    n: int
    target: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[dict[str, Any], ...] = ()
    methods: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, feature: str) -> FeatureProfile:
        return next(item for item in self.features if item.feature == feature)

    @property
    def names(self) -> list[str]:
        """Names of the profiled columns."""
        return [item.feature for item in self.features]

    def metric(self, name: str) -> dict[str, Any] | None:
        """Return the reference value of a metric, or None."""
        return next((item for item in self.metrics if item["metric"] == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Profile:
        """Restore a profile from its JSON record."""
        features = tuple(FeatureProfile(**_tuples(one)) for one in record["features"])
        return cls(**{**record, "features": features, "metrics": tuple(record["metrics"])})

    def table(self) -> pd.DataFrame:
        """One row a column: feature, role, kind, n, missing share, range, bins, largest bin."""
        return pd.DataFrame([_profile_row(item) for item in self.features])


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(item) if isinstance(item, list) else item for key, item in record.items()}


def _profile_row(item: FeatureProfile) -> dict[str, Any]:
    top = int(np.argmax(item.counts)) if item.counts else 0
    return {
        "feature": item.feature, "role": item.role, "kind": item.kind, "n": item.n,
        "missing_share": item.missing / item.n if item.n else float("nan"),
        "low": item.low, "high": item.high, "bins": len(item.counts),
        "largest_bin": f"{item.bins[top]} ({item.counts[top] / max(item.n, 1):.0%})",
    }  # fmt: skip


def profile_feature(
    values: pd.Series[Any], *, name: str | None = None, role: str = "input", bins: int = 10
) -> FeatureProfile:
    """Profile one column: numeric in at most `bins` bins between reference quantiles, anything else by its categories.

    Quantiles that coincide (a value that many rows share) give fewer bins.

    Examples
    --------
    >>> made = profile_feature(pd.Series([1, 2, 3, 4, None], name="age"), bins=2)
    >>> made.bins, made.counts
    (['up to 2', 'over 2', 'missing'], (2, 2, 1))
    """
    label = str(values.name) if name is None else name
    if is_number(values):
        numbers = as_numbers(values)
        frame = FeatureProfile(label, role, "numeric", edges=_edges(numbers[~np.isnan(numbers)], bins))
    else:
        known = _by_frequency(as_text(values))
        frame = FeatureProfile(label, role, "categorical", categories=tuple(known[:MOST_CATEGORIES]))
    return frame.recount(values)


def is_number(values: pd.Series[Any]) -> bool:
    """Whether a column is counted by bins of its range rather than by its values."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def as_numbers(values: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return floats, with NaN for what is missing, infinite or no number."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def as_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return every value as text and what is missing as None, so that categories of any type compare."""
    if isinstance(values.dtype, pd.StringDtype) and values.dtype.na_value is np.nan:  # what parquet files hold
        return values.astype("object")
    return values.astype("object").map(str, na_action="ignore").astype("object")


def _edges(numbers: Any, bins: int) -> tuple[float, ...]:
    if len(numbers) == 0:
        return ()
    inner = np.quantile(numbers, np.arange(1, bins) / bins, method="lower")
    return tuple(float(edge) for edge in np.unique(inner) if edge < numbers.max())


def _by_frequency(text: pd.Series[Any]) -> list[str]:
    counts = text.dropna().value_counts()
    return sorted((str(name) for name in counts.index), key=lambda name: (-int(counts[name]), name))


def _range(numbers: Any) -> dict[str, Any]:
    present = numbers[~np.isnan(numbers)]
    return {"low": float(present.min()), "high": float(present.max())} if len(present) else {"low": None, "high": None}


def _pick(choose: Any, a: float | None, b: float | None) -> float | None:
    there: Sequence[float] = [value for value in (a, b) if value is not None]
    return choose(there) if there else None
