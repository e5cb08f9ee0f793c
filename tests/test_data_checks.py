"""Each kind of bad data is found by its code, and clean data pass every check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mlopskit.data.checks import CHECKS, Finding, findings_table
from mlopskit.data.columns import ROW, TARGET, Columns, Target
from mlopskit.data.leakage import auc, leakage_findings, shared_rows, telling_features
from mlopskit.data.quality import balance_finding, production_findings, source_findings
from mlopskit.data.schema import columns_from_schema, infer_schema
from mlopskit.scope import Data

TARGET_OF = Target("binary", "y", ("no", "yes"), "yes")


def data(**more: Any) -> Data:
    return Data.model_validate({"source": "a.csv", "task": "binary", "target": "y", "positive": "yes"} | more)


def clean(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.normal(size=n), "g": ["a", "b"] * (n // 2), "y": ["no", "yes"] * (n // 2)})


def found(frame: pd.DataFrame, **more: Any) -> dict[tuple[str, str], Finding]:
    scope = data(**more)
    schema = infer_schema(frame, scope)
    columns = columns_from_schema(schema, scope, frame)
    return {(item.code, item.subject): item for item in source_findings(frame, schema, columns=columns)}


def test_clean_data_pass() -> None:
    outcomes = {item.outcome for item in found(clean(), sensitive=["g"]).values()}
    assert outcomes == {"passed"}


@pytest.mark.parametrize(
    ("column", "code", "said"),
    [
        ([None] * 50 + ["u", "v"] * 75, "DAT001", "50 of 200 values are missing"),
        (["same"] * 200, "DAT009", "every row holds “same”"),
        ([np.nan] * 200, "DAT009", "every value is missing"),
        ([f"id{i}" for i in range(200)], "DAT010", "different in every row"),
        ([f"c{i % 60}" for i in range(200)], "DAT011", "60 categories"),
        (["?", "u", "v", "w"] * 50, "DAT015", "50 values “?”"),
        ([-999.0, 1.0, 2.0, 3.0] * 50, "DAT015", "50 values “-999”"),
    ],
)
def test_a_bad_column_is_found(column: list[Any], code: str, said: str) -> None:
    item = found(clean().assign(bad=column))[(code, "bad")]
    assert item.outcome == "issue"
    assert said in item.detail


def test_ten_thousand_categories_are_named_as_such() -> None:
    frame = pd.DataFrame({"c": [f"c{i // 2}" for i in range(20_000)], "y": ["no", "yes"] * 10_000})
    assert found(frame)[("DAT011", "c")].n == 10_000


def test_copies_are_counted() -> None:
    frame = pd.concat([clean(), clean().head(7)], ignore_index=True)
    assert found(frame)[("DAT002", "all rows")].n == 7


def test_small_and_undeclared_sensitive_groups_are_said() -> None:
    frame = clean().assign(s=["rare"] * 5 + ["u"] * 195)
    assert "rare" in found(frame, sensitive=["s"])[("DAT017", "s")].detail
    assert found(frame)[("DAT017", "sensitive columns")].outcome == "could not check"


def test_a_column_named_like_markup_is_said() -> None:
    item = found(clean().assign(**{"<script>": 1.0}))[("DAT019", "column names")]
    assert "'<script>'" in item.detail


def test_repeats_of_someone_without_a_declared_group_are_said() -> None:
    frame = clean().assign(patient_id=np.arange(200) // 2, x_id=np.arange(200))
    issue = found(frame)[("DAT020", "patient_id")]
    assert issue.outcome == "issue"
    assert "[data] group" in issue.detail
    assert ("DAT020", "x_id") not in found(frame), "no two rows have the same"
    assert found(frame, exclude=["patient_id"])[("DAT020", "patient_id")].outcome == "issue", "excluded or not"
    assert found(frame, group="patient_id")[("DAT020", "patient_id")].outcome == "passed"
    assert found(clean())[("DAT020", "columns")].outcome == "passed"


def split_table(n: int = 400, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({ROW: np.arange(n), TARGET: np.arange(n) % 2, **columns})


def test_a_feature_made_from_the_target_is_suspected() -> None:
    noise = np.random.default_rng(0).normal(size=400)
    train = split_table(leak=np.arange(400) % 2 + 0.01 * noise, fine=noise, name=["b", "a"] * 200)
    columns = Columns(("leak", "fine", "name"), ("leak", "fine"), ("name",))
    suspects = telling_features(train, target=TARGET_OF, columns=columns)
    assert [item.subject for item in suspects] == ["leak", "name"]


def test_a_category_that_occurs_once_gives_nothing_away() -> None:
    train = split_table(name=[f"id{i}" for i in range(400)])
    (item,) = telling_features(train, target=TARGET_OF, columns=Columns(("name",), categorical=("name",)))
    assert item.outcome == "passed"


def test_the_ranked_area_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    truth, scores = rng.integers(0, 2, 300).astype(float), rng.integers(0, 9, 300).astype(float)
    expected = roc_auc_score(truth, scores)
    assert auc(scores, truth) == pytest.approx(max(expected, 1 - expected))


def test_rows_shared_by_train_and_test_are_counted() -> None:
    train, test = split_table(4, x=[1.0, 2.0, 3.0, 4.0]), split_table(2, x=[1.0, 9.0])
    assert (shared_rows(train, test).outcome, shared_rows(train, test).n) == ("issue", 1)


def test_straddling_groups_and_old_test_rows_are_found() -> None:
    tables = {name: split_table(10, t=range(10), p=[1] * 10) for name in ("train", "validation", "test")}
    scope = data(time="t", group="p", split="time")
    outcomes = {
        item.code: item.outcome
        for item in leakage_findings(tables, target=TARGET_OF, columns=Columns(("t",), ("t",)), data=scope)
    }
    assert (outcomes["DAT007"], outcomes["DAT008"]) == ("issue", "issue")


def test_what_does_not_apply_is_not_passed() -> None:
    tables = {name: split_table(10, x=range(10)) for name in ("train", "validation", "test")}
    items = leakage_findings(tables, target=TARGET_OF, columns=Columns(("x",), ("x",)), data=data())
    assert {item.outcome for item in items if item.code in {"DAT007", "DAT008"}} == {"not applicable"}


def test_a_rare_class_is_said() -> None:
    train = pd.DataFrame({TARGET: [1] * 3 + [0] * 97})
    assert balance_finding(train, TARGET_OF).outcome == "issue"
    assert balance_finding(pd.DataFrame({TARGET: [1] * 30 + [0] * 70}), TARGET_OF).outcome == "passed"


def test_production_rows_outside_the_contract_are_counted() -> None:
    schema = infer_schema(clean(), data())
    items = production_findings(clean().assign(g=["c", "a"] * 100), schema)
    assert [(item.subject, item.n, item.outcome) for item in items] == [("g", 100, "issue")]


def test_issues_come_first_in_the_table_and_every_code_has_a_name() -> None:
    table = findings_table([Finding("DAT001", "b", "passed", ""), Finding("DAT009", "a", "issue", "")])
    assert table["code"].tolist() == ["DAT009", "DAT001"]
    assert sorted(CHECKS) == [f"DAT{i:03d}" for i in range(1, len(CHECKS) + 1)]
