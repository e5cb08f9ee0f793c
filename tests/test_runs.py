"""The run folder: phases write their own, read what is whole and current, and every byte is accounted for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit import artefacts
from mlopskit.errors import ProjectError, RunError
from mlopskit.runs import Run, find_project, is_finished, open_run, read_trace, written
from mlopskit.scope import Scope

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})


def finished(run: Run, **values: object) -> Run:
    for name, value in values.items():
        run.write(name, value)
    run.finish()
    return run


@pytest.mark.parametrize("first", ["words", {"n": 1}, "folder"])
def test_two_artefacts_of_a_phase_never_share_a_name(project: Path, first: object) -> None:
    """`read` asks for no extension, so which of them was meant would depend on which was written first."""
    run = Run(project, project / "runs" / "r", "data")

    def write(value: object) -> None:
        if value == "folder":
            with run.write_folder("x") as folder:
                (folder / "file").write_text("1", encoding="utf-8")
        else:
            run.write("x", value)

    write(first)
    write(first)
    for other in ({"words": {"n": 1}}.get(str(first), "words"), [1] if first == "folder" else "folder"):
        with pytest.raises(RunError, match=r"has written x\S* already"):
            write(other)
    assert len(written(run.home)) == 1


@pytest.mark.parametrize(
    ("value", "file"),
    [(FRAME, "it.parquet"), ({"n": 1}, "it.json"), ([1, 2], "it.json"), ("# words", "it.md")],
    ids=["table", "record", "list", "text"],
)
def test_what_is_written_is_read_back(project: Path, value: object, file: str) -> None:
    finished(Run(project, project / "runs" / "r", "data"), it=value)
    assert (project / "runs" / "r" / "data" / file).is_file()
    back = Run(project, project / "runs" / "r", "model").read("data/it")
    assert back.equals(FRAME) if isinstance(value, pd.DataFrame) else back == value


def test_a_model_that_is_read_again_is_another_object_with_the_same_answers(project: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    X, folder = [[0.0], [1.0], [2.0], [3.0]], project / "runs" / "r"
    rising, falling = (LogisticRegression().fit(X, y) for y in ([0, 0, 1, 1], [1, 1, 0, 0]))
    finished(Run(project, folder, "model"), one=rising, two=falling)
    run = Run(project, folder, "evaluate")
    first = run.read("model/one")
    expected = first.predict_proba(X).tolist()
    first.coef_[:] = 0.0
    assert run.read("model/one").predict_proba(X).tolist() == expected == rising.predict_proba(X).tolist()
    assert run.read("model/two").predict(X).tolist() == [1, 1, 0, 0]
    assert run.read("model/one").predict(X).tolist() == [0, 0, 1, 1]


def test_reading_and_writing_are_recorded_with_the_hash_of_the_bytes(project: Path) -> None:
    folder = project / "runs" / "r"
    finished(Run(project, folder, "data"), rows=FRAME)
    Run(project, folder, "model").read("data/rows")
    expected = hashlib.sha256((folder / "data" / "rows.parquet").read_bytes()).hexdigest()
    assert written(folder / "data")["rows.parquet"].sha256 == expected
    [record] = read_trace(folder / "model")
    assert (record.op, record.name, record.sha256) == ("read", "data/rows.parquet", expected)


def test_a_phase_that_did_not_end_cannot_be_read(project: Path) -> None:
    folder = project / "runs" / "r"
    Run(project, folder, "data").write("rows", FRAME)
    with pytest.raises(RunError, match="Phase data has no finished results"):
        Run(project, folder, "model").read("data/rows")


def test_a_phase_reads_back_its_own_before_it_ends(project: Path) -> None:
    run = Run(project, project / "runs" / "r", "data")
    run.write("rows", FRAME)
    assert run.read("data/rows").equals(FRAME)


def test_a_missing_artefact_names_those_that_exist(project: Path) -> None:
    finished(Run(project, project / "runs" / "r", "data"), train=FRAME)
    with pytest.raises(RunError, match=r"that phase wrote data/train\.parquet"):
        Run(project, project / "runs" / "r", "model").read("data/trian")


def test_a_damaged_artefact_is_refused(project: Path) -> None:
    folder = project / "runs" / "r"
    finished(Run(project, folder, "data"), facts={"n": 1})
    (folder / "data" / "facts.json").write_text('{"n": 2}')
    with pytest.raises(RunError, match="is not what its phase wrote"):
        Run(project, folder, "model").read("data/facts")


@pytest.mark.parametrize("name", ["../model/metrics", "a/b", "", ".hidden"])
def test_a_phase_writes_only_its_own(project: Path, name: str) -> None:
    with pytest.raises(RunError, match="cannot write"):
        Run(project, project / "runs" / "r", "data").write(name, FRAME)


@pytest.mark.parametrize("name", ["outputs", "notebook.ipynb", "trace.jsonl", "kernel.log"])
def test_a_folder_takes_no_place_that_the_runner_writes_to(project: Path, name: str) -> None:
    run = Run(project, project / "runs" / "r", "data")
    run.write("facts", {"n": 1})
    with pytest.raises(RunError, match=f"cannot write {name!r} as a folder"), run.write_folder(name):
        pass
    assert [record.name for record in run.finish().records] == ["data/facts.json"]


def test_a_folder_that_fails_half_way_leaves_nothing(project: Path) -> None:
    run = Run(project, project / "runs" / "r", "deploy")
    with pytest.raises(FileNotFoundError, match="missing"), run.write_folder("bundle") as folder:
        (folder / "half").write_bytes((folder / "missing").read_bytes())
    assert list(run.home.rglob("*")) == []
    assert not is_finished(run.home)


def test_a_folder_is_one_artefact(project: Path) -> None:
    run = Run(project, project / "runs" / "r", "deploy")
    with run.write_folder("bundle") as folder:
        (folder / "a.txt").write_text("x")
    run.finish()
    path = Run(project, run.folder, "monitor").read("deploy/bundle")
    assert (path / "a.txt").read_text() == "x"
    (path / "a.txt").write_text("y")
    with pytest.raises(RunError, match="is not what its phase wrote"):
        Run(project, run.folder, "monitor").read("deploy/bundle")


def test_a_torn_trace_line_is_no_record(project: Path) -> None:
    run = finished(Run(project, project / "runs" / "r", "data"), facts={})
    with (run.home / "trace.jsonl").open("a") as file:
        file.write('{"op": "write", "na')
    assert [record.op for record in read_trace(run.home) if record.op != "source"] == ["write", "finish"]


def test_looking_for_what_is_absent_is_recorded(project: Path) -> None:
    finished(Run(project, project / "runs" / "r", "data"), train=FRAME)
    run = Run(project, project / "runs" / "r", "model")
    assert run.has("data/train")
    assert not run.has("data/labels")
    assert [record.name for record in read_trace(run.home) if record.op == "absent"] == ["data/labels"]


def test_a_source_file_is_recorded_and_a_missing_one_refused(project: Path) -> None:
    (project / "rows.csv").write_bytes(b"a\n1\n")
    run = Run(project, project / "runs" / "r", "data")
    run.source_file("rows.csv")
    assert read_trace(run.home)[0].sha256 == hashlib.sha256(b"a\n1\n").hexdigest()
    with pytest.raises(RunError, match=r"nowhere\.csv cannot be read"):
        run.source_file("nowhere.csv")


def test_the_frozen_scope_is_the_project_file(project: Path, minimal: str) -> None:
    run = Run(project, project / "runs" / "r", "scope")
    run.freeze(Scope.parse(minimal))
    run.finish()
    later = Run(project, run.folder, "data")
    assert later.scope.data == Scope.parse(minimal).data
    assert [record.name for record in read_trace(later.home)] == ["scope/data.json"]


# By hand, in runs/scratch -------------------------------------------------------------------------------------------


def base_run(project: Path) -> Path:
    """One finished run: data made rows, model made a model from them, evaluate read that model."""
    folder = project / "runs" / "20260101T000000-aaaaaa"
    finished(Run(project, folder, "data"), rows={"version": 1})
    model = Run(project, folder, "model")
    model.read("data/rows")
    finished(model, model={"from": 1})
    (folder / "run.json").write_text("{}")
    (project / "runs" / "latest").write_text(f"{folder.name}\n")
    return folder


def test_scratch_falls_through_to_the_finished_run(project: Path) -> None:
    base_run(project)
    run = open_run("evaluate")
    assert run.folder.name == "scratch"
    assert run.read("model/model") == {"from": 1}


def test_scratch_stays_pinned_to_the_run_it_began_with(project: Path) -> None:
    base_run(project)
    open_run("evaluate")
    newer = project / "runs" / "20270101T000000-bbbbbb"
    finished(Run(project, newer, "data"), rows={"version": 9})
    (newer / "run.json").write_text("{}")
    (project / "runs" / "latest").write_text(newer.name)
    assert open_run("model").read("data/rows") == {"version": 1}


def test_a_model_made_from_other_rows_is_refused(project: Path) -> None:
    base_run(project)
    finished(open_run("data"), rows={"version": 2})
    with pytest.raises(RunError, match=r"made from another data/rows\.json"):
        open_run("evaluate").read("model/model")


def test_rows_made_again_with_the_same_content_are_accepted(project: Path) -> None:
    base_run(project)
    finished(open_run("data"), rows={"version": 1})
    assert open_run("evaluate").read("model/model") == {"from": 1}


def test_a_phase_begun_in_scratch_hides_the_base_run(project: Path) -> None:
    base_run(project)
    open_run("data").write("rows", {"version": 2})
    with pytest.raises(RunError, match="no finished results in scratch"):
        open_run("model").read("data/rows")


def test_without_any_run_the_error_says_what_to_do(project: Path) -> None:
    with pytest.raises(RunError, match="mlopskit run"):
        open_run("model").read("data/rows")


def test_a_batch_kernel_works_in_the_folder_it_was_given(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPSKIT_RUN", str(project / "runs" / "r"))
    monkeypatch.setenv("MLOPSKIT_PHASE", "model_again")
    run = open_run("model")
    assert (run.folder.name, run.phase, run.base) == ("r", "model_again", None)


def test_the_project_is_found_from_below_and_by_its_variable(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "notebooks" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_project() == project.resolve()
    monkeypatch.chdir("/")
    monkeypatch.setenv("MLOPSKIT_PROJECT", str(project / "mlops.toml"))
    assert find_project() == project.resolve()


def test_the_project_is_found_from_the_notebook_of_the_session(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("JPY_SESSION_NAME", str(project / "notebooks" / "3_model.ipynb"))
    assert find_project() == project.resolve()


def test_no_project_names_the_places_looked_at(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPSKIT_PROJECT", "/nowhere")
    monkeypatch.chdir("/")
    with pytest.raises(ProjectError, match=r"MLOPSKIT_PROJECT \(/nowhere\), / and the folders above it"):
        find_project()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_any_plain_value_becomes_valid_json(value: object) -> None:
    json.loads(artefacts.to_json({"value": value}), parse_constant=lambda name: pytest.fail(name))
