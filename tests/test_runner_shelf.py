"""Tags, pins and pruning: what is listed, what stays, what goes, and what a kill leaves."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.cli import history, quantities
from mlopskit.cli import shelf as commands
from mlopskit.errors import RunError, UsageError
from mlopskit.runner import leftovers, marks
from mlopskit.runner.catalogue import choose, list_runs
from mlopskit.runner.shelf import REMOVED, Rules, plan_pruning, prune
from mlopskit.runs.presence import present

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def name_of(day: int) -> str:
    return f"202601{day:02d}T000000Z-{day:06x}"


def make_run(runs: Path, day: int, *, uses: tuple[int, ...] = (), base: int | None = None, size: int = 0) -> Path:
    """One run that began on a day of January 2026."""
    folder = runs / name_of(day)
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "rows.parquet").write_bytes(b"x" * size)
    phases = [{"name": f"p{user}", "reused_from": name_of(user)} for user in uses]
    said: dict[str, Any] = {"run": folder.name, "status": "passed", "started": f"2026-01-{day:02d}T00:00:00.000Z"}
    said |= {"base": None if base is None else name_of(base), "phases": [{"name": "a", "reused_from": None}, *phases]}
    (folder / "run.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def days(runs: Path) -> list[int]:
    return [int(item.name[6:8]) for item in list_runs(runs)]


def in_process(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


def test_a_run_keeps_its_tags_and_pin_outside_its_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path, 1)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert marks.tag(folder, ["z", "best/ä-1", "z"]).tags == ("best/ä-1", "z")
    assert marks.pin(folder).pinned
    assert marks.tag(folder, ["z", "never-there"], remove=True) == marks.Marks(("best/ä-1",), pinned=True)
    (item,) = list_runs(tmp_path)
    assert (item.tags, item.pinned) == (("best/ä-1",), True)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    marks.pin(folder, pinned=False)
    marks.tag(folder, ["best/ä-1"], remove=True)
    assert json.loads((tmp_path / marks.FILE).read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize("wrong", ["", "two words", "a,b", "\x1b[2J", "x" * 65])
def test_a_tag_is_one_plain_word(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(UsageError, match="cannot be a tag"):
        marks.tag(make_run(tmp_path, 1), ["fine", wrong])
    assert marks.read(tmp_path) == {}


@pytest.mark.parametrize("text", ["{ torn", "[]", '{"a": 1}', '{"a": {"tags": [1], "pinned": true}}', "\x00", ""])
def test_damaged_marks_are_told_never_written_over_and_nothing_is_pruned(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path, 1)
    (tmp_path / marks.FILE).write_text(text, encoding="utf-8")
    history.runs(out=tmp_path)
    said = capsys.readouterr()
    assert name_of(1) in said.out
    assert "marks.json is damaged" in said.err
    for refused in (
        lambda: marks.tag(folder, ["a"]),
        lambda: marks.pin(folder),
        lambda: prune(tmp_path, Rules(keep=0)),
        lambda: history.runs(tag=["a"], out=tmp_path),
    ):
        with pytest.raises(RunError, match="correct it by hand, or move it away"):
            refused()
    assert (tmp_path / marks.FILE).read_text(encoding="utf-8") == text
    assert days(tmp_path) == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="file locks")
def test_marks_given_by_several_processes_at_once_are_all_kept(tmp_path: Path) -> None:
    make_run(tmp_path, 1), make_run(tmp_path, 2)
    code = """
import sys
from pathlib import Path
from mlopskit.runner import leftovers, marks
for number in range(20):
    marks.tag(Path(sys.argv[1]), [f"{sys.argv[2]}-{number}"])
"""
    given_by = [(tmp_path / name_of(day), who) for day, who in ((1, "a"), (1, "b"), (2, "c"))]
    processes = [in_process(code, *arguments) for arguments in given_by]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    found = marks.read(tmp_path)
    assert set(found[name_of(1)].tags) == {f"{who}-{number}" for who in "ab" for number in range(20)}
    assert len(found[name_of(2)].tags) == 20


def test_filters_narrow_the_list_and_keep_its_order(tmp_path: Path) -> None:
    for day in (1, 2, 3, 4):
        make_run(tmp_path, day)
    (tmp_path / name_of(3) / "run.json").write_text("{ torn", encoding="utf-8")
    marks.tag(tmp_path / name_of(1), ["x"])
    marks.tag(tmp_path / name_of(2), ["x", "y"])
    found = list_runs(tmp_path)

    def chosen(**options: Any) -> list[int]:
        return [int(item.name[6:8]) for item in choose(found, **options)]

    assert chosen() == [4, 3, 2, 1]
    assert chosen(statuses=["passed"], limit=2) == [4, 2]
    assert chosen(tags=["x"]) == [2, 1]
    assert chosen(tags=["x", "y"]) == [2]
    assert chosen(since=quantities.moment("2026-01-02"), until=quantities.moment("2026-01-03", end=True)) == [3, 2]
    assert chosen(pinned=True) == []


def test_a_criterion_that_was_judged_for_each_group_is_one_and_met_where_all_are(tmp_path: Path) -> None:
    path = make_run(tmp_path, 1) / "run.json"
    judged = [{"name": name, "status": status} for name, status in (("a", "met"), ("a", "not-met"), ("b", "met"))]
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"criteria": judged}), encoding="utf-8")
    [found] = list_runs(tmp_path)
    assert (found.met, found.criteria) == (1, 2)


def test_a_run_that_ended_early_has_met_so_many_of_all_criteria_that_were_asked_for(tmp_path: Path) -> None:
    folder = make_run(tmp_path, 1)
    said = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    phases = [{"name": "evaluate", "status": "done"}, {"name": "slices_and_bias", "status": "never-ran"}]
    judged = {"criteria": [{"name": "a", "status": "met"}], "phases": phases}
    (folder / "run.json").write_text(json.dumps(said | judged), encoding="utf-8")
    assert [(item.met, item.criteria) for item in list_runs(tmp_path)] == [(1, 1)], "what was asked is not known"
    (folder / "scope").mkdir()
    (folder / "scope" / "criterion.json").write_text(json.dumps([{"metric": "recall"}] * 3), encoding="utf-8")
    assert [(item.met, item.criteria) for item in list_runs(tmp_path)] == [(1, 3)]


def test_what_is_not_in_the_form_of_a_manifest_is_listed_as_damaged(tmp_path: Path) -> None:
    for day, text in enumerate(['{"run": 1, "criteria": 3}', '{"run": 1, "headline": {"label": "x"}}', "[]"], start=1):
        (make_run(tmp_path, day) / "run.json").write_text(text, encoding="utf-8")
    assert [item.status for item in list_runs(tmp_path)] == ["damaged"] * 3
    assert len(prune(tmp_path, Rules(keep=1), now=NOW).going) == 2


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        (Rules(keep=2), [5, 4]),
        (Rules(keep=0), []),
        (Rules(older_than=dt.timedelta(days=29)), [5, 4, 3]),
        (Rules(keep=4, older_than=dt.timedelta(days=1)), [5, 4, 3, 2]),
        (Rules(to_size=2500), [5, 4]),
        (Rules(keep=3, to_size=0), [5, 4, 3]),
        (Rules(to_size=10**9), [5, 4, 3, 2, 1]),
    ],
)
def test_each_rule_lets_go_what_it_says(tmp_path: Path, rules: Rules, left: list[int]) -> None:
    for day in (1, 2, 3, 4, 5):
        make_run(tmp_path, day, size=900)
    listed = plan_pruning(tmp_path, rules, now=NOW)
    assert days(tmp_path) == [5, 4, 3, 2, 1]
    done = prune(tmp_path, rules, now=NOW)
    assert done == listed
    assert days(tmp_path) == left
    assert [item.name for item in done.staying] == [name_of(day) for day in left]


def test_whatever_is_needed_or_wanted_stays_and_the_reason_is_told(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for day in range(1, 9):
        make_run(runs, day, uses={8: (6, 4), 6: (5,)}.get(day, ()))
    (runs / "latest").write_text(f"{name_of(1)}\n", encoding="utf-8")
    (runs / "scratch").mkdir()
    (runs / "scratch" / "base").write_text(f"{name_of(2)}\n", encoding="utf-8")
    (tmp_path / "mlops.toml").write_text(f"source = 'runs/{name_of(3)}/deploy/requests.parquet'", encoding="utf-8")
    marks.pin(runs / name_of(8))
    with present(runs / name_of(7)):
        done = prune(runs, Rules(keep=0), project_file=tmp_path / "mlops.toml")
    assert done.going == ()
    assert [done.spared[name_of(day)] for day in range(1, 9)] == [
        "latest names it",
        "scratch reads from it",
        "mlops.toml names it",
        f"{name_of(8)} took results from it",
        f"{name_of(6)} took results from it",
        f"{name_of(8)} took results from it",
        "it is being made now",
        "it is pinned",
    ]
    marks.pin(runs / name_of(8), pinned=False)
    gone = prune(runs, Rules(keep=0), project_file=tmp_path / "mlops.toml")
    assert [int(item.name[6:8]) for item in gone.going] == [7, 8, 4, 6, 5]
    assert days(runs) == [3, 2, 1]


def test_a_base_stays_for_what_it_executed_alone(tmp_path: Path) -> None:
    for day, uses, base in ((1, (), None), (2, (1,), 1), (3, (1,), 2)):
        make_run(tmp_path, day, uses=uses, base=base)
    assert [item.name for item in prune(tmp_path, Rules(keep=1)).going] == [name_of(2)]
    assert days(tmp_path) == [3, 1]


@settings(max_examples=40)
@given(data=st.data(), count=st.integers(0, 9), keep=st.integers(0, 10), age=st.integers(0, 35) | st.none())
def test_prune_leaves_exactly_what_rules_pins_and_references_hold(
    data: st.DataObject, count: int, keep: int, age: int | None
) -> None:
    every = list(range(1, count + 1))
    uses = {day: data.draw(st.sets(st.integers(1, day - 1))) if day > 1 else set() for day in every}
    pinned, latest = (
        data.draw(st.sets(st.sampled_from(every))) if every else set(),
        count and data.draw(st.sampled_from(every)),
    )
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        for day in every:
            make_run(runs, day, uses=tuple(sorted(uses[day])))
            if day in pinned:
                marks.pin(runs / name_of(day))
        (runs / "latest").write_text(name_of(latest), encoding="utf-8")
        rules = Rules(keep=keep, older_than=None if age is None else dt.timedelta(days=age))
        prune(runs, rules, now=NOW)
        held = {day for day in every if day > count - keep or day in pinned or day == latest}
        held |= {day for day in every if age is not None and 32 - day <= age}
        for day in reversed(every):
            held |= uses[day] if day in held else set()
        assert days(runs) == sorted(held, reverse=True)
        assert set(marks.read(runs)) == {name_of(day) for day in pinned}
        assert plan_pruning(runs, rules, now=NOW).going == ()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("step", ["pathlib.Path.rename", "shutil.rmtree", "os.unlink", "os.rmdir"])
def test_a_killed_prune_leaves_runs_whole_or_gone_and_the_next_one_clears_up(tmp_path: Path, step: str) -> None:
    for day in (1, 2, 3):
        make_run(tmp_path, day, uses=(day - 1,) if day > 1 else (), size=10)
    code = f"""
import os, pathlib, shutil, signal, sys
from pathlib import Path
from mlopskit.runner.shelf import Rules, prune
calls = []
original = {step}
def dying(*arguments, **options):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)
{step} = dying
prune(Path(sys.argv[1]), Rules(keep=0))
"""
    assert in_process(code, tmp_path).wait(timeout=60) == -signal.SIGKILL
    left = days(tmp_path)
    assert len(left) == (2 if step == "pathlib.Path.rename" else 0)  # all are off the list before one is deleted
    assert left == list(range(len(left), 0, -1))  # those that others took results from are still there
    assert all((tmp_path / name_of(day) / "data" / "rows.parquet").is_file() for day in left)
    half_deleted = plan_pruning(tmp_path, Rules(keep=9)).leftovers
    assert half_deleted == {"pathlib.Path.rename": 1, "shutil.rmtree": 2}.get(step, half_deleted or 1)
    prune(tmp_path, Rules(keep=0))
    assert days(tmp_path) == []
    assert not (tmp_path / REMOVED).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="what an open folder refuses differs")
def test_a_run_that_cannot_be_moved_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path, 1, size=10)

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RunError, match=r"cannot be removed.*still there, whole"):
        prune(tmp_path, Rules(keep=0))
    assert (folder / "data" / "rows.parquet").is_file()


def test_prune_without_yes_only_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for day in (1, 2, 3):
        make_run(tmp_path, day, size=1000)
    marks.pin(tmp_path / name_of(1))
    commands.prune(keep=1, out=tmp_path)
    said = capsys.readouterr().out
    assert "Would remove 1 run, 1.2 kB; 2 stay, 2.3 kB; --yes removes them." in said
    assert f"{name_of(1)}  stays: it is pinned" in said
    assert days(tmp_path) == [3, 2, 1]
    commands.prune(keep=1, out=tmp_path, yes=True, as_json=True)
    assert [item["run"] for item in json.loads(capsys.readouterr().out)["going"]] == [name_of(2)]
    assert days(tmp_path) == [3, 1]
    commands.prune(to_size="1kB", keep=1, out=tmp_path, yes=True)
    assert "1.0 kB cannot be reached" in capsys.readouterr().out
    with pytest.raises(UsageError, match="Say which runs may go"):
        commands.prune(out=tmp_path)


def test_tags_and_pins_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, 1), make_run(tmp_path, 2)
    commands.tag("000001", ["best"], out=tmp_path)
    commands.pin("000001", out=tmp_path)
    history.runs(tag=["best"], out=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"{name_of(1)}  best", f"{name_of(1)}  pinned"]
    assert len(lines) == 3
    assert lines[2].endswith("pinned #best")
    commands.unpin("000001", out=tmp_path)
    history.runs(pinned=True, out=tmp_path)
    assert "No run fits" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"no status 'pased'.*did you mean passed"):
        history.runs(status=["pased"], out=tmp_path)


def test_what_a_kill_left_half_made_is_swept_once_its_maker_must_be_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, 1)
    (tmp_path / name_of(2)).mkdir()
    (tmp_path / name_of(3) / "data").mkdir(parents=True)  # something was written: somebody may want to look
    (tmp_path / ".cache").mkdir()
    drafts = [tmp_path / ".latest.0a1b2c3d.part", tmp_path / ".cache" / ".k.0a1b2c3d.part"]
    for path in drafts:
        path.touch()
    (tmp_path / ".verify-1").mkdir()
    (tmp_path / ".verify-2").mkdir()
    (tmp_path / ".verify-2" / leftovers.KEPT).touch()
    assert plan_pruning(tmp_path, Rules(keep=9)).abandoned == (".verify-1",)  # the others may be at work
    for path in (*drafts, tmp_path / name_of(2), tmp_path / name_of(3)):
        os.utime(path, (0, 0))
    commands.prune(keep=9, out=tmp_path)
    assert "Would sweep what a stopped command left half-made: .cache/.k" in capsys.readouterr().out
    commands.prune(keep=9, yes=True, out=tmp_path, as_json=True)
    swept = json.loads(capsys.readouterr().out)["abandoned"]
    assert swept == [".cache/.k.0a1b2c3d.part", ".latest.0a1b2c3d.part", ".verify-1", name_of(2)]
    left = {path.name for path in tmp_path.iterdir()} - {marks.LOCK}
    assert left == {".cache", ".verify-2", name_of(1), name_of(3)}


def test_what_cannot_be_swept_is_said_to_have_stayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path, 1)
    for name in ("1", "2"):
        (tmp_path / f".verify-{name}").mkdir()
    remove = leftovers.remove
    monkeypatch.setattr(leftovers, "remove", lambda path: None if path.name == ".verify-2" else remove(path))
    commands.prune(keep=9, yes=True, out=tmp_path)
    said = capsys.readouterr().out
    assert "Swept what a stopped command left half-made: .verify-1.\n" in said
    assert "could not be removed: .verify-2. See who may write there" in said
