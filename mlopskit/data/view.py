"""What is analysed of a row when the row itself is no table.

Slices, drift and profiles need scalars. A tabular feature is one already; a text is described by its length, an image
by how bright it is. These descriptions are for people and monitors; the model sees the text and the image themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from mlopskit.data.columns import Columns


def feature_view(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return the scalar columns to analyse, with the frame's index.

    Tabular features, sensitive and slice columns are handed on as they are. A text column ``x`` becomes ``x length``
    (characters), ``x words`` and ``x digits_share``; with one text column the prefix is left out. An image becomes
    ``brightness`` (mean pixel), ``contrast`` (standard deviation) and ``ink_share`` (share of pixels above half of the
    brightest).

    Parameters
    ----------
    frame : DataFrame
        A split table or rows of a request.
    columns : Columns
        Which part each column plays.

    Examples
    --------
    >>> from mlopskit.data.columns import Columns
    >>> columns = Columns(("image",), image="image", image_shape=(1, 4))
    >>> feature_view(pd.DataFrame({"image": [[0, 0, 8, 16]]}), columns).round(2).to_dict("records")
    [{'brightness': 6.0, 'contrast': 6.63, 'ink_share': 0.25}]
    """
    scalars = dict.fromkeys([*columns.numeric, *columns.categorical, *columns.by])
    hidden = {*columns.text, columns.image}
    parts = [frame[[name for name in scalars if name not in hidden and name in frame.columns]]]
    for name in columns.text:
        prefix = f"{name} " if len(columns.text) > 1 else ""
        parts.append(_text_view(frame[name]).add_prefix(prefix))
    if columns.image is not None:
        parts.append(_image_view(frame[columns.image]))
    return pd.concat(parts, axis=1)


def _text_view(texts: pd.Series[Any]) -> pd.DataFrame:
    present = texts.astype("str")
    length = present.str.len().astype("float64")
    return pd.DataFrame(
        {
            "length": length,
            "words": present.str.count(r"\S+").astype("float64"),
            "digits_share": present.str.count(r"\d") / length.where(length > 0),
        },
        index=texts.index,
    )


def _image_view(images: pd.Series[Any]) -> pd.DataFrame:
    pixels = [None if image is None or image is np.nan else np.asarray(image, dtype="float64") for image in images]
    brightest = max((float(image.max()) for image in pixels if image is not None and image.size), default=0.0)
    half = _half_scale(brightest)
    rows = [
        (np.nan, np.nan, np.nan) if image is None else (image.mean(), image.std(), float((image > half).mean()))
        for image in pixels
    ]
    return pd.DataFrame(rows, columns=["brightness", "contrast", "ink_share"], index=images.index, dtype="float64")


def _half_scale(brightest: float) -> float:
    """Half of the usual scale that the brightest pixel belongs to, so that one row is judged like a thousand."""
    return next((scale / 2 for scale in (1.0, 16.0, 255.0) if brightest <= scale), brightest / 2)
