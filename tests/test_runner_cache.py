"""A phase is reused if and only if nothing that it depends on changed."""

from __future__ import annotations

import errno
import fcntl
import html
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import Outcome, Phase, cache, plan, reuse
from mlopskit.runner.fingerprint import fingerprint, phase_key
from tests.tiny import make_project, manifest_of, phase_notebook, run

pytestmark = pytest.mark.usefixtures("forked")

BODIES = {
    "first": "run.write('rows', {'n': n, 'text': run.source_file('rows.csv').read_text()})",
    "second": "run.write('count', {'count': len(run.read('first/rows')['text'].splitlines())})",
    "third": "run.write('doubled', {'value': 2 * run.read('second/count')['count']})",
}


@pytest.fixture
def lay(tmp_path: Path) -> Any:
    """Lay a project of three phases, each of which reads what the one before wrote."""

    def laid(**changed: Any) -> tuple[Phase, ...]:
        (tmp_path / "rows.csv").write_text("bought\nyes\nno\n", encoding="utf-8")
        return make_project(tmp_path, {**BODIES, **changed})

    return laid


def again(phases: tuple[Phase, ...], folder: Path, *arguments: str, **options: Any) -> Outcome:
    return run(folder, phases, *arguments, reuse_unchanged=True, **options)


def statuses(outcome: Outcome) -> list[str]:
    return [phase["status"] for phase in manifest_of(outcome)["phases"]]


def standing(folder: Path, phases: tuple[Phase, ...], *arguments: str) -> Path | None:
    return cache.standing(plan(folder, arguments=arguments, phases=phases, reuse_unchanged=True))


def edit(folder: Path, phase: Phase, cell: str, source: str) -> None:
    path = phase.path(folder)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    next(item for item in notebook["cells"] if item["id"] == cell)["source"] = source
    path.write_text(json.dumps(notebook), encoding="utf-8")


def test_unchanged_project_needs_no_new_run(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    assert standing(tmp_path, phases) is None
    made = again(phases, tmp_path)
    assert standing(tmp_path, phases) == made.folder
    edit(tmp_path, phases[1], "work-text", "## Work\n\nOther words: Markdown is not computed with.")
    assert standing(tmp_path, phases) == made.folder


def test_edit_reruns_its_phase_and_stops_where_the_output_came_out_equal(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    again(phases, tmp_path)
    edit(tmp_path, phases[1], "work", BODIES["second"] + "  # the same in other words")
    assert statuses(again(phases, tmp_path)) == ["reused", "done", "reused"]


def test_a_phase_for_which_there_is_nothing_to_reuse_is_likely_to_run_first(lay: Any, tmp_path: Path) -> None:
    phases = lay()

    def likely(**options: Any) -> list[str]:
        return [phase.name for phase in cache.likely(plan(tmp_path, phases=phases, **options))]

    assert likely(reuse_unchanged=True) == ["first", "second", "third"]
    again(phases, tmp_path)
    edit(tmp_path, phases[1], "work", BODIES["second"] + "  # the same in other words")
    assert likely(reuse_unchanged=True) == ["second", "first", "third"]
    assert likely() == ["first", "second", "third"]


def test_edit_that_changes_an_output_reruns_its_readers(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    again(phases, tmp_path)
    (tmp_path / "rows.csv").write_text("bought\nyes\nno\nno\n", encoding="utf-8")
    changed = again(phases, tmp_path)
    assert statuses(changed) == ["done", "done", "done"]
    assert json.loads((changed.folder / "third/doubled.json").read_text()) == {"value": 8}


def test_file_with_equal_rows_in_number_reruns_only_who_sees_the_difference(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    again(phases, tmp_path)
    (tmp_path / "rows.csv").write_text("bought\nno\nyes\n", encoding="utf-8")
    assert statuses(again(phases, tmp_path)) == ["done", "done", "reused"]


def test_going_back_to_an_earlier_state_finds_the_earlier_run(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    first = again(phases, tmp_path)
    again(phases, tmp_path, "first.n=5")
    assert standing(tmp_path, phases) == first.folder
    assert standing(tmp_path, phases, "first.n=7") is None


@pytest.mark.parametrize("module", ["helper.py", "package/inner.py"])
def test_module_of_the_project_is_part_of_the_key(lay: Any, tmp_path: Path, module: str) -> None:
    phases = lay()
    path = tmp_path / module
    path.parent.mkdir(exist_ok=True)
    path.write_text("VALUE = 1\n", encoding="utf-8")
    again(phases, tmp_path)
    path.write_text("VALUE = 2\n", encoding="utf-8")
    assert standing(tmp_path, phases) is None


def test_installed_distribution_is_part_of_the_key(
    lay: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    phases, place = lay(), tmp_path_factory.mktemp("site")
    monkeypatch.setenv("PYTHONPATH", str(place))
    again(phases, tmp_path)
    (place / "something-1.0.dist-info").mkdir()
    assert standing(tmp_path, phases) is None


@pytest.mark.parametrize("part", ["python", "installed", "package", "project"])
def test_interpreter_distributions_and_modules_are_part_of_the_key(tmp_path: Path, part: str) -> None:
    common = fingerprint(tmp_path)
    notebook = {"cells": [{"cell_type": "code", "metadata": {}, "source": "1"}]}
    assert phase_key(notebook, {}, common) == phase_key(notebook, {}, fingerprint(tmp_path))
    assert phase_key(notebook, {}, common) != phase_key(notebook, {}, replace(common, **{part: "another"}))
    assert phase_key(notebook, {"n": 1}, common) != phase_key(notebook, {"n": 1.5}, common)


@pytest.mark.parametrize(("file", "counts"), [("data/new.py", True), ("cli/new.py", False)])
def test_every_module_of_the_package_that_computes_is_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, counts: bool
) -> None:
    package = tmp_path / "mlopskit"
    for name in ("data", "cli"):
        (package / name).mkdir(parents=True)
    module = sys.modules["mlopskit.runner.fingerprint"]
    monkeypatch.setattr(module, "_PACKAGE", package)
    monkeypatch.setattr(module, "_NOT_COMPUTING", {str(package / "cli")})
    before = fingerprint(tmp_path)
    (package / file).write_text("VALUE = 1", encoding="utf-8")
    assert (fingerprint(tmp_path).package != before.package) == counts


@pytest.mark.parametrize("damage", ["other bytes", None])
def test_damaged_artefact_is_noticed_and_made_again(lay: Any, tmp_path: Path, damage: str | None) -> None:
    phases = lay()
    made = again(phases, tmp_path)
    path = made.folder / "second/count.json"
    path.write_text(damage) if damage else path.unlink()
    assert standing(tmp_path, phases) is None
    mended = again(phases, tmp_path)
    assert statuses(mended) == ["reused", "done", "reused"]
    assert json.loads((mended.folder / "second/count.json").read_text()) == {"count": 3}


def test_what_was_looked_for_and_absent_counts_as_read(lay: Any, tmp_path: Path) -> None:
    phases = lay(second="run.write('count', {'count': 3 if run.has('first/extra') else 4})")
    again(phases, tmp_path)
    edit(tmp_path, phases[0], "work", BODIES["first"] + "\nrun.write('extra', {'x': 1})")
    made = again(phases, tmp_path)
    assert statuses(made)[:2] == ["done", "done"]
    assert json.loads((made.folder / "second/count.json").read_text()) == {"count": 3}


@pytest.mark.parametrize("value", ["private", ""])
def test_environment_variable_read_through_the_run_counts(
    lay: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    phases = lay(second="run.write('count', {'count': run.environment_variable('TINY_COUNT', '1')})")
    made = again(phases, tmp_path)
    assert standing(tmp_path, phases) == made.folder
    monkeypatch.setenv("TINY_COUNT", value)
    assert statuses(again(phases, tmp_path)) == ["reused", "done", "done"]
    assert "private" not in (made.folder / "run.json").read_text()


def test_listing_counts_by_names(lay: Any, tmp_path: Path) -> None:
    phases = lay(second="run.write('count', {'count': len(run.list_files('.', '*.csv'))})")
    made = again(phases, tmp_path)
    (tmp_path / "notes.txt").write_text("not listed")
    assert standing(tmp_path, phases) == made.folder
    (tmp_path / "more.csv").write_text("bought\n")
    assert statuses(again(phases, tmp_path)) == ["reused", "done", "done"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("run.live_source('a database'); run.write('count', {'count': 3})", "live source"),
        ("run.external_effect('a letter was sent'); run.write('count', {'count': 3})", "outside the run"),
        (
            "path = run.source_file('rows.csv'); path.write_text(path.read_text() + '\\n'); "
            "run.write('count', {'count': 3})",
            "written to while it was being read",
        ),
        (
            "path = run.source_file('rows.csv'); path.write_text(path.read_text() + '\\n'); "
            "run.source_file('rows.csv'); run.write('count', {'count': 3})",
            "written to while it was being read",
        ),
    ],
)
def test_what_can_answer_otherwise_next_time_is_never_reused(lay: Any, tmp_path: Path, body: str, why: str) -> None:
    phases = lay(second=body)
    made = again(phases, tmp_path)
    reason = manifest_of(made)["phases"][1]["reason"]
    assert why in reason
    assert reason in html.unescape((made.folder / "report.html").read_text(encoding="utf-8"))
    assert statuses(again(phases, tmp_path))[1] == "done"


def test_reading_a_phase_that_is_no_ancestor_is_never_reused(lay: Any, tmp_path: Path) -> None:
    first, second, third = lay()
    loose = (first, second, Phase(third.name, third.notebook, ("first",)))
    made = again(loose, tmp_path)
    reason = manifest_of(made)["phases"][2]["reason"]
    assert "not among the phases" in reason
    assert reason in html.unescape((made.folder / "report.html").read_text(encoding="utf-8"))
    assert statuses(again(loose, tmp_path)) == ["reused", "reused", "done"]


def test_failed_phase_is_taken_up_where_it_failed(lay: Any, tmp_path: Path) -> None:
    phases = lay(second="raise OSError('the disk is full')")
    assert statuses(again(phases, tmp_path)) == ["done", "failed", "never-ran"]
    edit(tmp_path, phases[1], "work", BODIES["second"])
    assert statuses(again(phases, tmp_path)) == ["reused", "done", "done"]


@pytest.mark.parametrize("garbage", ["", "../../etc\n\x00\n", "20260101T000000Z-ffffff\n"])
def test_damaged_cache_entry_costs_a_run_and_never_a_result(lay: Any, tmp_path: Path, garbage: str) -> None:
    phases = lay()
    again(phases, tmp_path)
    for entry in (tmp_path / "runs" / cache.FOLDER).iterdir():
        entry.write_text(garbage)
    assert statuses(again(phases, tmp_path)) == ["done", "done", "done"]


def test_damaged_manifest_is_passed_over(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    made = again(phases, tmp_path)
    (made.folder / "run.json").write_text("{")
    assert standing(tmp_path, phases) is None
    assert statuses(again(phases, tmp_path)) == ["reused", "reused", "reused"]


def test_content_counts_and_not_what_the_clock_said(lay: Any, tmp_path: Path) -> None:
    """A clock that was set back gives a new file an old time, and an old one a time to come."""
    phases, rows = lay(), tmp_path / "rows.csv"
    made = again(phases, tmp_path)
    stamp = rows.stat()
    os.utime(rows, (4_000_000_000, 4_000_000_000))
    assert standing(tmp_path, phases) == made.folder
    rows.write_text("bought\nno\nyes\n")
    os.utime(rows, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert rows.stat().st_size == stamp.st_size
    assert statuses(again(phases, tmp_path))[0] == "done"


def test_named_phases_are_executed_whatever_the_cache_holds(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    again(phases, tmp_path)
    assert statuses(again(phases, tmp_path, only=["second"])) == ["reused", "done", "reused"]


def test_reused_phase_is_a_copy_of_its_own(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    first = again(phases, tmp_path)
    second = again(phases, tmp_path, "third.n=2")
    copied = second.folder / "first/rows.json"
    copied.write_text("changed by hand")
    assert copied.stat().st_ino != (first.folder / "first/rows.json").stat().st_ino
    assert cache.damaged(first.folder / "first") is None


@pytest.mark.skipif(sys.platform != "linux", reason="the call is that of Linux")
@pytest.mark.parametrize("offered", [True, False])
def test_copy_shares_blocks_where_the_file_system_offers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: bool
) -> None:
    """FICLONE of <linux/fs.h> is _IOW(0x94, 9, int): direction 1, size 4, type and number."""
    asked = []

    def ioctl(target: int, request: int, source: int) -> None:
        asked.append((request, str(Path(f"/proc/self/fd/{source}").readlink())))
        if not offered:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        os.write(target, b"shared")

    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    old.write_bytes(b"copied")
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    reuse._copy(str(old), str(new))
    assert asked == [(1 << 30 | 4 << 16 | 0x94 << 8 | 9, str(old))]
    assert new.read_bytes() == (b"shared" if offered else b"copied")


def test_phase_whose_modules_change_while_it_runs_is_not_remembered(lay: Any, tmp_path: Path) -> None:
    body = "(run.project / 'helper.py').write_text('VALUE = 1')\n" + BODIES["second"]
    phases = lay(second=body)
    assert "changed while it ran" in manifest_of(again(phases, tmp_path))["phases"][1]["reason"]


def test_run_does_not_stand_where_a_module_changed_while_a_phase_ran_and_came_back(lay: Any, tmp_path: Path) -> None:
    helper = "(run.project / 'helper.py')"
    phases = lay(
        second=f"{helper}.write_text('VALUE = 1')\n{BODIES['second']}", third=f"{helper}.unlink()\n{BODIES['third']}"
    )
    assert "changed while it ran" in manifest_of(again(phases, tmp_path))["phases"][1]["reason"]
    assert standing(tmp_path, phases) is None


def test_run_with_a_secret_does_not_stand(lay: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "token: 'secret' = 'env:A_TOKEN'  # to the store"
    uses = "from mlopskit.secrets import reveal\nrun.write('length', {'n': len(reveal(token))})"
    phases = lay(first=phase_notebook(uses, phase="first", parameters=source), second="", third="")
    monkeypatch.setenv("A_TOKEN", "long enough")
    again(phases, tmp_path)
    monkeypatch.setenv("A_TOKEN", "another one, longer")
    assert standing(tmp_path, phases) is None
    assert statuses(again(phases, tmp_path)) == ["done", "reused", "reused"]
    assert statuses(again(phases, tmp_path, only=["third"])) == ["reused", "reused", "done"]
    assert standing(tmp_path, phases) is None


def test_run_stands_whose_other_phases_were_taken_from_its_base(lay: Any, tmp_path: Path) -> None:
    phases = lay()
    again(phases, tmp_path)
    second = again(phases, tmp_path, only=["third"])
    assert standing(tmp_path, phases) == second.folder
