"""Tally: everything that is counted is counted once, mergeably.

`Grouping` says which group of each column a row belongs to; `Tally` counts the rows of each combination of groups by
actual and predicted class, by score bin, or, for regression, in sums. Rows come from a DataFrame, from a Parquet file
that may be larger than memory, or from any engine that narwhals speaks.
"""

from mlopskit.tally.counts import Tally
from mlopskit.tally.grouping import ColumnGrouping, Grouping
from mlopskit.tally.reader import block_of
from mlopskit.tally.scores import ScoreBins, auc_from_bins

__all__ = ["ColumnGrouping", "Grouping", "ScoreBins", "Tally", "auc_from_bins", "block_of"]
