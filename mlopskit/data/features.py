"""The replicable preparation: one scikit-learn transformer that the model carries into serving.

Rows arrive as the split tables hold them, or as a request spells them: Python objects, None for what is missing, labels
never seen before. Each kind of column has its own way to numbers, and all of them are fitted on training rows alone.
Every class here can be kept and checked by skops; none needs a pickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlopskit.data.refusals import label_of
from mlopskit.data.schema import as_numbers
from mlopskit.errors import DataError, listing

if TYPE_CHECKING:
    from mlopskit.data.columns import Columns

Floats = npt.NDArray[np.float64]

MISSING = "missing"
"""The category of a missing value: it may mean something, so it is neither dropped nor guessed."""


class Numbers(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """Columns to floating-point numbers: dates become days since 1970, what is no finite number becomes missing.

    Examples
    --------
    >>> Numbers().fit_transform(pd.DataFrame({"x": ["1.5", None, "many"]})).ravel()
    array([1.5, nan, nan])
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Numbers:  # noqa: ARG002
        """Remember the columns, and which of them are dates; nothing else is learnt."""
        self.feature_names_in_ = np.array([str(name) for name in X.columns], dtype=object)
        self.n_features_in_ = X.shape[1]
        self.dates_ = [bool(X[name].dtype.kind == "M") for name in X.columns]
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        """Return an array (n rows, n columns) with NaN where a number is missing."""
        columns = [_numbers(X.iloc[:, i], is_date=is_date) for i, is_date in enumerate(self.dates_)]
        return np.column_stack(columns) if columns else np.empty((len(X), 0))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:  # noqa: ARG002
        """Return the names of the columns, which stay what they were."""
        return self.feature_names_in_


def _numbers(column: pd.Series[Any], *, is_date: bool) -> Floats:
    if is_date and column.dtype.kind != "M":
        column = pd.to_datetime(column, errors="coerce", utc=True, format="mixed").dt.tz_localize(None)
    if column.dtype.kind not in "iufM":
        column = pd.to_numeric(column, errors="coerce")
    values: Floats = as_numbers(column).to_numpy(dtype="float64", na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


class Labels(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """Columns to labels as text, `MISSING` where there is none; 1, 1.0 and ``"1"`` are one label.

    Examples
    --------
    >>> Labels().fit_transform(pd.DataFrame({"x": [True, None, 2.0]}, dtype=object)).ravel().tolist()
    ['True', 'missing', '2']
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Labels:  # noqa: ARG002
        """Remember the columns."""
        self.feature_names_in_ = np.array([str(name) for name in X.columns], dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> npt.NDArray[np.object_]:
        """Return an object array (n rows, n columns) of text."""
        columns = [_labels(X.iloc[:, i]) for i in range(self.n_features_in_)]
        return np.column_stack(columns) if columns else np.empty((len(X), 0), dtype=object)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:  # noqa: ARG002
        """Return the names of the columns, which stay what they were."""
        return self.feature_names_in_


def _labels(column: pd.Series[Any]) -> npt.NDArray[np.object_]:
    codes, values = pd.factorize(column, use_na_sentinel=True)
    names = np.array([*(label_of(value) or MISSING for value in values), MISSING], dtype=object)
    return names[codes]


class Texts(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """One column of text to the list of strings that a vectoriser wants; a missing text is empty."""

    def fit(self, X: Any, y: Any = None) -> Texts:  # noqa: ARG002
        """Learn nothing."""
        self.n_features_in_ = 1
        return self

    def transform(self, X: Any) -> npt.NDArray[np.object_]:
        """Return an object array of n strings."""
        return np.array(["" if label_of(text) is None else str(text) for text in X], dtype=object)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:  # noqa: ARG002
        """Return a name for the one column."""
        return np.array(["text"], dtype=object)


class ImagePixels(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """One column of pixel lists to a matrix of numbers from 0 to 1.

    Parameters
    ----------
    height, width : int
        Of every image; pixels run row by row.

    Attributes
    ----------
    scale_ : float
        The largest pixel value of the training images.
    """

    def __init__(self, height: int = 8, width: int = 8) -> None:
        self.height = height
        self.width = width

    def fit(self, X: Any, y: Any = None) -> ImagePixels:  # noqa: ARG002
        """Find the largest pixel value."""
        self.n_features_in_ = 1
        self.scale_ = float(np.max(self._stack(X), initial=0.0)) or 1.0
        return self

    def transform(self, X: Any) -> Floats:
        """Return an array (n images, height × width); a missing image is empty paper.

        Raises
        ------
        DataError
            When an image has another number of pixels.
        """
        return self._stack(X) / self.scale_

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:  # noqa: ARG002
        """Return ``r0c0``, ``r0c1`` … for row and column of each pixel."""
        names = [f"r{row}c{column}" for row in range(self.height) for column in range(self.width)]
        return np.array(names, dtype=object)

    def _stack(self, items: Any) -> Floats:
        size = self.height * self.width
        blank = np.zeros(size)
        rows = [blank if item is None or item is np.nan else np.asarray(item, float).ravel() for item in items]
        if any(len(row) != size for row in rows):
            lengths = sorted({len(row) for row in rows})
            raise DataError(
                f"Images have {listing(lengths, limit=3)} pixels where {self.height} × {self.width} are needed. "
                "Bring them to one size first."
            )
        stacked = np.stack(rows) if rows else np.empty((0, size))
        return np.where(np.isfinite(stacked), stacked, 0.0)


def make_preparation(
    columns: Columns, *, max_categories: int = 20, min_share: float = 0.002, max_words: int = 500
) -> ColumnTransformer:
    """Return the unfitted preparation for columns of these kinds.

    Numbers: the median for missing ones, an indicator that they were missing, then standardised. Categories: one-hot,
    `MISSING` as one, rare and unknown ones together. Text: tf-idf of words and word pairs. Images: pixels from
    0 to 1. The result is dense, since histogram boosting needs it so: `max_words` bounds its width.

    Parameters
    ----------
    columns : Columns
        Which features there are, by kind.
    max_categories : int
        At most so many categories a column; the rarest beyond are one.
    min_share : float
        Categories with a smaller share of the training rows are taken together.
    max_words : int
        Words and pairs kept for each text column.

    Returns
    -------
    ColumnTransformer
        It takes a split table, or rows of a request, by column name and lets every other column lie.
    """
    numeric = Pipeline(
        [
            ("numbers", Numbers()),
            ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
        ]
    )
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=max_categories,
        min_frequency=min_share or None,
        sparse_output=False,
    )
    categorical = Pipeline([("labels", Labels()), ("one_hot", encoder)])
    parts: list[tuple[str, Any, Any]] = []
    parts += [("numeric", numeric, list(columns.numeric))] if columns.numeric else []
    parts += [("categorical", categorical, list(columns.categorical))] if columns.categorical else []
    parts += [(f"text_{i}", _text_pipeline(max_words), name) for i, name in enumerate(columns.text)]
    if columns.image is not None and columns.image_shape is not None:
        height, width = columns.image_shape
        parts.append(("image", ImagePixels(height, width), columns.image))
    return ColumnTransformer(parts, remainder="drop", sparse_threshold=0.0)


def _text_pipeline(max_words: int) -> Pipeline:
    words = TfidfVectorizer(
        max_features=max_words, ngram_range=(1, 2), min_df=2, sublinear_tf=True, strip_accents="unicode"
    )
    return Pipeline([("texts", Texts()), ("words", words)])


def fit_preparation(preparation: ColumnTransformer, train: pd.DataFrame) -> ColumnTransformer:
    """Fit a preparation on training rows.

    Raises
    ------
    DataError
        When a text column has no word that occurs twice, so that nothing can be learnt from it.
    """
    try:
        return preparation.fit(train)
    except ValueError as error:
        if "vocabulary" in str(error) or "no terms remain" in str(error).lower():
            raise DataError(
                "A text column holds no word that occurs in two rows, so nothing can be learnt from it. Exclude it."
            ) from None
        raise


def source_columns(preparation: ColumnTransformer) -> list[str]:
    """Return the source column of each output of a fitted preparation, in order.

    A column becomes several outputs (categories, words, pixels, an indicator of missing values); what they explain is
    the column.

    Examples
    --------
    >>> from mlopskit.data.columns import Columns
    >>> table = pd.DataFrame({"age": [30.0, None], "job": ["a", "b"]})
    >>> columns = Columns(("age", "job"), numeric=("age",), categorical=("job",))
    >>> source_columns(make_preparation(columns, min_share=0).fit(table))
    ['age', 'age', 'job', 'job']
    """
    sources: list[str] = []
    for name, part, columns in preparation.transformers_:
        if name == "numeric":
            sources += _numeric_sources(part, list(columns))
        elif name == "categorical":
            sources += _categorical_sources(part, list(columns))
        elif name != "remainder":
            sources += [str(columns)] * len(part.get_feature_names_out())
    return sources


def _numeric_sources(part: Pipeline, columns: Sequence[str]) -> list[str]:
    indicator = part.named_steps["impute"].indicator_
    return [*columns, *(columns[i] for i in indicator.features_)]


def _categorical_sources(part: Pipeline, columns: Sequence[str]) -> list[str]:
    """Names of a fixed width stand in for the columns, so that each output's column can be read off its name."""
    stand_ins = [f"{i:06d}" for i in range(len(columns))]
    names = part.named_steps["one_hot"].get_feature_names_out(stand_ins)
    return [columns[int(name[:6])] for name in names]


def describe_preparation(preparation: ColumnTransformer) -> pd.DataFrame:
    """Return what becomes of each feature: feature, way (how it becomes numbers), outputs."""
    ways = {"numeric": "standardised, median for missing", "categorical": "one-hot", "image": "pixels from 0 to 1"}
    counts = pd.Series(source_columns(preparation), dtype="str").value_counts()
    rows = [
        {
            "feature": str(column),
            "way": ways.get(name, "tf-idf of words and word pairs"),
            "outputs": int(counts[column]),
        }
        for name, _, columns in preparation.transformers_
        if name != "remainder"
        for column in ([columns] if isinstance(columns, str) else columns)
    ]
    return pd.DataFrame(rows, columns=["feature", "way", "outputs"])
