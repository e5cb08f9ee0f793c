"""The contract says what rows look like, and a validator built from its table finds those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlopskit import artefacts
from mlopskit.data.columns import Columns, Target
from mlopskit.data.overview import kept_columns, show_parts, show_schema
from mlopskit.data.schema import columns_from_schema, infer_schema, validate
from mlopskit.errors import DataError
from mlopskit.scope import Baseline, Data


def data(**more: Any) -> Data:
    return Data.model_validate({"source": "a.csv", "task": "binary", "target": "y", "positive": "yes"} | more)


FRAME = pd.DataFrame(
    {
        "n": [1.0, 5.0],
        "c": ["a", "b"],
        "b": [True, False],
        "d": pd.to_datetime(["2020-01-01", "2020-02-01"]),
        "t": ["a text of many words", "and another one of these"],
        "odd <name>": [None, "x"],
        "y": ["yes", "no"],
    }
)


def test_kinds_and_roles_are_told_apart() -> None:
    schema = infer_schema(FRAME, data(time="d", exclude=["c"])).set_index("feature")
    assert schema["kind"].to_dict() == {
        "n": "numeric", "c": "categorical", "b": "boolean", "d": "datetime", "t": "text", "odd <name>": "categorical",
        "y": "categorical",
    }  # fmt: skip
    assert schema["role"].loc[["n", "c", "d", "y"]].tolist() == ["feature", "excluded", "time", "target"]


def test_columns_follow_from_the_contract() -> None:
    schema = infer_schema(FRAME, data(time="d", exclude=["c"], sensitive=["c"]))
    columns = columns_from_schema(schema, data(time="d", exclude=["c"], sensitive=["c"]), FRAME)
    assert columns.features == ("n", "b", "t", "odd <name>")
    assert (columns.numeric, columns.categorical, columns.text) == (("n",), ("b", "odd <name>"), ("t",))
    assert columns.by == ["c"]
    assert Columns.from_dict(artefacts.plain(columns)) == columns


def test_a_contract_read_back_from_disk_finds_what_breaks_it(tmp_path: Path) -> None:
    artefacts.write(infer_schema(FRAME, data()), tmp_path / "schema.parquet")
    schema = artefacts.read(tmp_path / "schema.parquet")
    new = FRAME.assign(n=[0.0, np.nan], c=["a", "new"]).drop(columns="b")
    broken = validate(new, schema).set_index(["feature", "check"])["n"].to_dict()
    assert broken == {
        ("n", "outside the range"): 1, ("n", "missing value"): 1, ("c", "unknown category"): 1,
        ("b", "column absent"): 1,
    }  # fmt: skip
    assert validate(FRAME, schema).empty


def test_many_categories_are_not_part_of_the_contract() -> None:
    frame = pd.DataFrame({"c": [f"c{i // 2}" for i in range(400)], "y": ["yes", "no"] * 200})
    schema = infer_schema(frame, data())
    assert len(schema.set_index("feature")["categories"]["c"]) == 0
    assert validate(frame.assign(c="new"), schema).empty


@pytest.mark.parametrize(
    ("images", "more", "said"),
    [
        ([[1, 2, 3, 4]] * 2, {}, 'set modality = "image"'),
        ([[1, 2, 3, 4], [1]], {"modality": "image"}, "All images need one size"),
        ([[1, 2, 3, 4]] * 2, {"modality": "image", "image_shape": [3, 3]}, "have 4 pixels, and image_shape is"),
        (["a", "b"], {"modality": "image"}, "there are 0"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: list[Any], more: dict[str, Any], said: str) -> None:
    frame = pd.DataFrame({"i": images, "y": ["yes", "no"]})
    with pytest.raises(DataError, match=said):
        columns_from_schema(infer_schema(frame, data(**more)), data(**more), frame)


def test_a_square_image_needs_no_shape() -> None:
    frame = pd.DataFrame({"i": [[1, 2, 3, 4]] * 2, "y": ["yes", "no"]})
    columns = columns_from_schema(infer_schema(frame, data(modality="image")), data(modality="image"), frame)
    assert (columns.image, columns.image_shape) == ("i", (2, 2))


def test_tables_keep_what_baselines_and_slices_need_and_nothing_else() -> None:
    columns = Columns(("x",), sensitive=("s",), time="t")
    baselines = [Baseline(kind="rule", rule="`code no` > 3"), Baseline(kind="previous", column="old score")]
    names = ["name", "old score", "t", "code no", "s", "x"]
    assert kept_columns(columns, baselines, names) == ["old score", "t", "code no", "s", "x"]


def test_markup_in_names_is_escaped_where_the_contract_is_shown() -> None:
    html = show_schema(infer_schema(FRAME, data()))._repr_html_()
    assert "odd &lt;name&gt;" in html
    assert "2020-01-01 to 2020-02-01" in html
    assert "hidden from the model: c" in str(
        show_parts(Target("binary", "y", ("a", "b")), Columns(("n",), sensitive=("c",)))
    )
