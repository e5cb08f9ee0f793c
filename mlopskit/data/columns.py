"""Which column plays which part: the names that every later phase goes by.

A split table carries its row's identity in `ROW`, its target in `TARGET`, and every other column under the name that
the source gave it. `Target` and `Columns` are the two records that say how to read such a table; they travel as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

ROW = "_row"
"""int64, the position of the row in the source: unique, and the same in every table of a run."""

TARGET = "_target"
"""int64 class index for classification (the positive class is 1), float64 for regression."""

TaskName = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes
    ----------
    task : str
        ``binary``, ``multiclass`` or ``regression``.
    column : str
        Its column in the source.
    classes : tuple of str
        Labels in the order of the class indices, ``(negative, positive)`` when binary, empty for regression.
    positive : str, optional
        The label of the positive class (binary only).
    positive_above : float, optional
        The bound above which a numeric target counts as positive.
    unit : str, optional
        The unit of a regression target, where known.

    Examples
    --------
    >>> target = Target("binary", "denied", ("no", "yes"), "yes")
    >>> Target.from_dict(target.to_dict()) == target
    True
    """

    task: TaskName
    column: str
    classes: tuple[str, ...] = ()
    positive: str | None = None
    positive_above: float | None = None
    unit: str | None = None

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted, not a quantity."""
        return self.task != "regression"

    @property
    def labels(self) -> list[int]:
        """Class indices in order; empty for regression."""
        return list(range(len(self.classes)))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Target:
        """Restore a target from its JSON record."""
        return cls(**{**record, "classes": tuple(record.get("classes", ()))})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON record."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True)
class Columns:
    """The parts that the columns play.

    Attributes
    ----------
    features : tuple of str
        What the model may see: every source column but target, time, group and those excluded.
    numeric, categorical, text : tuple of str
        The features by kind; dates count as numeric (they become days), yes/no columns as categorical.
    image : str, optional
        The feature that holds images as lists of pixels.
    image_shape : tuple of int, optional
        Height and width of an image.
    sensitive, slices : tuple of str
        Columns that results are broken down by; they stay in the tables even when the model may not see them.
    time, group : str, optional
        The columns that order rows, and whose rows stay together.
    """

    features: tuple[str, ...]
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    image: str | None = None
    image_shape: tuple[int, ...] | None = None
    sensitive: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None

    @property
    def by(self) -> list[str]:
        """Sensitive and slice columns, each once, in that order."""
        return list(dict.fromkeys([*self.sensitive, *self.slices]))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Columns:
        """Restore from the JSON record."""
        values: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in record.items()}
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON record."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def units_of(rows: pd.DataFrame, group: str | None) -> pd.Series[Any] | None:
    """Return whom each row belongs to where somebody has several of them; nothing where each row stands for itself.

    Parameters
    ----------
    rows : DataFrame
    group : str, optional
        ``[data] group``.
    """
    return rows[group] if group is not None and group in rows and rows[group].duplicated().any() else None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
