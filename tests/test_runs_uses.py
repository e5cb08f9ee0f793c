"""The ledger of what was asked of the same rows."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mlopskit.errors import RunError
from mlopskit.runs import Run, read_trace
from mlopskit.runs.uses import FILE, count_use


def _run(project, name, frame):
    made = Run(project, project / "runs" / name, "data")
    made.write("test", frame)
    made.finish()
    return Run(project, project / "runs" / name, "slices_and_bias")


def test_other_questions_count_and_the_same_one_does_not(tmp_path):
    first, second = (_run(tmp_path, name, pd.DataFrame({"a": [1]})) for name in ("one", "two"))
    asked = [(first, "p"), (first, "q"), (second, "q"), (second, "r"), (first, "p")]
    assert [count_use(run, "data/test", question=question) for run, question in asked] == [0, 1, 1, 2, 0]
    lines = [json.loads(line) for line in (tmp_path / "runs" / FILE).read_text().splitlines()]
    assert [(line["run"], line["question"]) for line in lines] == [("one", "p"), ("one", "q"), ("two", "r")]


def test_other_rows_have_a_count_of_their_own(tmp_path):
    count_use(_run(tmp_path, "one", pd.DataFrame({"a": [1]})), "data/test", question="p")
    assert count_use(_run(tmp_path, "two", pd.DataFrame({"a": [2]})), "data/test.parquet", question="q") == 0


def test_counting_leaves_no_trace_that_would_stop_reuse(tmp_path):
    run = _run(tmp_path, "one", pd.DataFrame({"a": [1]}))
    count_use(run, "data/test", question="p")
    assert read_trace(run.home) == []


def test_a_torn_line_is_passed_over_and_rows_that_are_not_there_are_refused(tmp_path):
    run = _run(tmp_path, "one", pd.DataFrame({"a": [1]}))
    (tmp_path / "runs" / FILE).write_text('{"rows": "x"}\n{"ro\n')
    assert count_use(run, "data/test", question="p") == 0
    with pytest.raises(RunError, match="test"):
        count_use(run, "data/tests", question="p")
