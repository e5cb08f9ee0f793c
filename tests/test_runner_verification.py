"""A run executed again: an equal one is proved, another comes with its causes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mlopskit.cli.verify import verify as command
from mlopskit.errors import ParameterError, RunError
from mlopskit.runner import Phase, repetition, verification
from mlopskit.runner.catalogue import list_runs
from mlopskit.runner.causes import causes_of
from mlopskit.runner.compare_runs import Side
from mlopskit.runner.likeness import STANDARD, Tolerance
from mlopskit.runner.repetition import arguments_of, phases_of, planned_as
from mlopskit.runner.shelf import Rules, plan_pruning, prune
from mlopskit.runner.verification import Verification, verify
from tests import tiny

pytestmark = pytest.mark.usefixtures("forked")

READS = 'text = run.source_file("rows.csv").read_text()\nprint(text)\nrun.write("rows", {"text": text, "half": 0.5})'
USES = 'run.write("model", {"n": n, "from": run.read("data/rows")["text"]})'
RANDOM = """import uuid
run.write("took", {"at": uuid.uuid4().hex}, volatile=True)
run.write("x", {"id": uuid.uuid4().hex})
None"""
NOTEBOOKS = (Phase("data", "notebooks/1_data.ipynb"), Phase("model", "notebooks/2_model.ipynb"))
OTHERS = ("scope", "evaluate", "slices_and_bias", "deploy", "monitor")
TOML = tiny.PROJECT + "".join(f'\n[[phase]]\nname = "{name}"\ndrop = true\n' for name in OTHERS)
TOML += "".join(f'\n[[phase]]\nname = "{item.name}"\nnotebook = "{item.notebook}"\n' for item in NOTEBOOKS)
TOML = TOML.replace('name = "data"\n', 'name = "data"\nafter = []\n')


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run of two phases, made with n=7."""
    home = tmp_path_factory.mktemp("made") / "project"
    tiny.make_project(home, {"data": READS, "model": USES}, toml=TOML)
    (home / "rows.csv").write_text("bought,age\n" + "yes,1\nno,2\n" * 20)
    tiny.run(home, None, "model.n=7", reuse_unchanged=True)  # type: ignore[arg-type]
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of that project, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "project"))


def latest(home: Path) -> Path:
    return home / "runs" / (home / "runs" / "latest").read_text().strip()


def again(home: Path, **options: Any) -> Verification:
    return verify(home, options.pop("folder", None) or latest(home), cold=True, **options)


def kinds(found: Verification) -> dict[str, set[str]]:
    """Return phase → kinds of the causes of its differences."""
    said: dict[str, set[str]] = {}
    for item in found.differences:
        said.setdefault(item.phase, set()).update(cause.kind for cause in item.causes)
    return said


def test_a_changed_module_is_blamed_only_where_it_is_imported_and_hides_nothing(tmp_path: Path) -> None:
    home = tmp_path / "project"
    bodies = {"uses": 'import helper\nrun.write("h", helper.F)\nNone', "draws": RANDOM}
    bodies["reads"] = 'run.write("y", [run.read("uses/h"), run.read("draws/x")])\nNone'
    phases = tiny.make_project(home, bodies)
    (home / "helper.py").write_text("F = 1\n")
    folder = tiny.run(home, phases).folder
    (home / "helper.py").write_text("F = 2\n")
    found = again(home, folder=folder, phases=phases)
    assert kinds(found) == {"uses": {"code"}, "draws": {"nondeterminism"}, "reads": {"upstream"}}
    assert [cause.text for cause in found.changes] == ["the project's own modules changed"]


def edit(home: Path, notebook: str, old: str, new: str) -> None:
    path = home / "notebooks" / notebook
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_an_unchanged_run_is_executed_anew_with_its_own_parameters_and_reproduced(home: Path) -> None:
    before = sorted(path.name for path in (home / "runs").iterdir())
    found = verify(home, latest(home), keep=True)
    assert (found.exit_code, found.differences, found.changes, found.within) == (0, (), (), ())
    assert (found.phases, found.artefacts, found.cells) == (("data", "model"), 2, 8)
    said = json.loads((found.again or Path()).joinpath("run.json").read_text())
    assert [entry["status"] for entry in said["phases"]] == ["done", "done"]
    assert said["parameters"]["model"]["n"] == 7
    kept = {path.name for path in (home / "runs").iterdir()} - set(before)
    assert [name[:8] for name in kept] == [".verify-"]


def test_what_no_record_explains_is_nondeterminism_and_what_follows_is_upstream(tmp_path: Path) -> None:
    home = tmp_path / "project"
    phases = tiny.make_project(home, {"data": RANDOM, "model": 'run.write("y", run.read("data/x"))\nNone'})
    folder = tiny.run(home, phases).folder
    before = sorted((home / "runs").iterdir())
    found = again(home, folder=folder, phases=phases)
    assert found.exit_code == 3
    assert kinds(found) == {"data": {"nondeterminism"}, "model": {"upstream"}}
    assert [item.name for item in found.differences] == ["data/x.json", "model/y.json"]
    assert found.left_out == ("data/took.json",)
    assert sorted((home / "runs").iterdir()) == before


def test_outputs_beside_the_notebook_are_compared_with_their_cell(tmp_path: Path) -> None:
    home = tmp_path / "project"
    body = "import uuid\nprint('x' * 1_000_000)\nprint({})"
    bodies = {"data": body.format("1, hex(id(body := object()))"), "model": body.format("uuid.uuid4().hex")}
    phases = tiny.make_project(home, bodies)
    found = again(home, folder=tiny.run(home, phases).folder, phases=phases)
    assert [item.name for item in found.differences] == ["model: cell work (Work)"]
    assert found.differences[0].text.startswith("outputs/work-1.txt, ")
    assert kinds(found) == {"model": {"nondeterminism"}}


def test_a_changed_file_is_named_as_the_data(home: Path) -> None:
    (home / "rows.csv").write_text("bought,age\nyes,1\nno,3\n")
    found = again(home)
    assert kinds(found) == {"data": {"data"}, "model": {"upstream"}}
    assert {cause.text for cause in found.changes} == {"rows.csv changed"}
    assert "data: cell work (Work)" in [item.name for item in found.differences]


def test_a_file_that_is_gone_is_named_as_the_data(home: Path) -> None:
    (home / "rows.csv").unlink()
    first, second = again(home).differences
    assert (first.name, [cause.text for cause in first.causes]) == ("data", ["rows.csv is gone"])
    assert first.text.startswith("failed this time: RunError")
    assert second.text.startswith("could not be executed again")
    assert [(cause.kind, cause.text) for cause in second.causes] == [("upstream", "data did not end well")]


def test_changed_code_is_named_with_its_cell_also_where_it_made_no_difference(home: Path) -> None:
    edit(home, "1_data.ipynb", "0.5", "1 / 2")
    edit(home, "2_model.ipynb", '\\"n\\": n', '\\"n\\": n + 1')
    found = again(home)
    assert kinds(found) == {"model": {"code"}}
    assert found.changes[0].text == "cell work changed"
    assert [cause.phase for cause in found.changes] == ["data", "model"]


def test_numbers_within_the_tolerance_reproduce_a_run(home: Path) -> None:
    edit(home, "1_data.ipynb", "0.5", "0.50001")
    found = again(home, tolerance=Tolerance(rtol=1e-3))
    assert (found.exit_code, "data/rows.json" in found.within) == (0, True)
    assert again(home).exit_code == 3


def test_of_a_failed_run_the_phases_that_ended_well_are_compared(tmp_path: Path) -> None:
    home = tmp_path / "project"
    phases = tiny.make_project(home, {"data": "1 + 1", "model": "1 / 0"})
    folder = tiny.run(home, phases).folder
    found = again(home, folder=folder, phases=phases)
    assert (found.exit_code, found.phases, found.passed_over) == (0, ("data",), ("model was failed in the run",))


def test_parameters_of_a_phase_that_failed_are_no_obstacle(home: Path) -> None:
    (home / "mlops.toml").write_text(TOML + "[parameters.model]\nn = 2\n")
    notebook = home / "notebooks" / "2_model.ipynb"
    notebook.write_text(notebook.read_text().replace("run.write", "assert n == 1; run.write"))
    found = again(home, folder=tiny.run(home, None).folder)  # type: ignore[arg-type]
    assert (found.exit_code, found.passed_over) == (0, ("model was failed in the run",))


def test_only_the_secret_that_the_run_had_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND_TOKEN", "long-enough")
    home, cell = tmp_path / "project", 'token: "secret" = "env:FIRST_TOKEN"'
    phases = tiny.make_project(home, {"data": tiny.phase_notebook("1", phase="data", parameters=cell)})
    recorded = {"parameters": {"data": {"token": "env:SECOND_TOKEN"}}}
    planned = planned_as(home, tmp_path, Side(tmp_path, recorded), phases)
    assert [item.reference for item in planned.secrets["data"]] == ["env:SECOND_TOKEN"]


def test_a_run_without_results_a_damaged_one_and_one_without_manifest_are_refused(home: Path) -> None:
    folder = latest(home)
    said = json.loads((folder / "run.json").read_text())
    notebook = folder / "data" / "notebook.ipynb"
    assert said["phases"][0]["notebook_sha256"] == hashlib.sha256(notebook.read_bytes()).hexdigest()
    executed = notebook.read_text()
    notebook.write_text(executed + "\n")
    with pytest.raises(RunError, match="in data, its notebook was changed after the run"):
        verify(home, folder)
    notebook.write_text(executed)
    (folder / "data" / "rows.json").write_text("{}")
    with pytest.raises(RunError, match=r"data/rows\.json is damaged"):
        verify(home, folder)
    for entry in said["phases"]:
        entry["status"] = "failed"
    (folder / "run.json").write_text(json.dumps(said))
    with pytest.raises(RunError, match="no phase ended well"):
        verify(home, folder)
    for torn in ("{", json.dumps({**said, "phases": [{**said["phases"][0], "status": 7}]})):
        (folder / "run.json").write_text(torn)
        with pytest.raises(RunError, match="missing or damaged"):
            verify(home, folder)
    assert not list((home / "runs").glob(".verify*"))


@pytest.mark.parametrize("odd", [{"notebook": 7}, {"notebook": ""}, {}])
def test_a_phase_without_a_notebook_is_refused_by_name(odd: dict[str, Any], tmp_path: Path) -> None:
    run = Side(tmp_path, {"run": "r", "phases": [{"name": "data", "status": "done", **odd}]})
    with pytest.raises(RunError, match=rf"run\.json of {tmp_path.name} is damaged: it names no notebook for data"):
        phases_of(run, ())


def test_a_phase_without_a_name_is_refused(tmp_path: Path) -> None:
    run = Side(tmp_path, {"run": "r", "phases": [{"notebook": "a.ipynb", "status": "done"}]})
    with pytest.raises(RunError, match=r"is damaged: it names no phase where one ended well"):
        phases_of(run, ())


def side(folder: Path, *trace: Mapping[str, Any], **said: Any) -> Side:
    """A run of one phase, data, with this trace and manifest."""
    (folder / "data").mkdir(parents=True)
    lines = [json.dumps({"sha256": "", "digest": "", **record}) for record in trace]
    (folder / "data" / "trace.jsonl").write_text("\n".join(lines) + "\n")
    notebook = tiny.phase_notebook(said.pop("body", "1"), phase="data")
    (folder / "data" / "notebook.ipynb").write_text(json.dumps(notebook))
    phases = [{"name": "data", "status": "done", "key": said.pop("key", "k")}]
    return Side(folder, {"run": folder.name, "phases": phases, **said})


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ({"environment": {"python": "3.11.1"}}, {"environment": {"python": "3.11.2"}},
         ("environment", "may come from this: python 3.11.1 → 3.11.2")),
        ({"environment": {"distributions": {"pandas": "1"}}}, {"environment": {"distributions": {"pandas": "2"}}},
         ("environment", "may come from this: pandas 1 → 2")),
        ({"environment": {"hash_seed": "0"}}, {"environment": {"hash_seed": "1"}},
         ("seed", "may come from this: hash_seed 0 → 1")),
        ({"environment": {"variables": {"TZ": "UTC"}}}, {"environment": {"variables": {"TZ": "Asia/Tokyo"}}},
         ("environment", "may come from this: the variable TZ UTC → Asia/Tokyo")),
        ({"environment": {"python": "3"}, "key": "a"}, {"environment": {"python": "4", "variables": {"LANG": "C"}}},
         ("environment", "may come from this: python 3 → 4")),
        ({"environment": {"fingerprint": {"package": "a", "python": "x"}}},
         {"environment": {"fingerprint": {"package": "b", "python": "y"}}},
         ("environment", "may come from this: mlopskit's own modules changed")),
        ({"parameters": {"data": {"seed": 1}}}, {"parameters": {"data": {"seed": 2}}}, ("seed", "seed 1 → 2")),
        ({"parameters": {"data": {"n": 1}}}, {"parameters": {"data": {}}}, ("parameters", "n 1 → none")),
        ({"parameters": {"data": {"token": "env:TOKEN"}}}, {"parameters": {"data": {"token": "env:TOKEN"}}},
         ("environment", "may come from this: the value of the secret token (env:TOKEN), of which nothing is kept")),
        ({"key": "a"}, {"key": "b"}, ("environment", "may come from this: a module of the project or of mlopskit "
         "changed, or a distribution that run.json does not list")),
        ({"environment": {"distributions": {"pandas": "1"}}, "parameters": {"data": {"n": 1}}},
         {"environment": {"distributions": {"pandas": "1"}}, "parameters": {"data": {"n": 2}}},
         ("parameters", "n 1 → 2")),
    ],
)  # fmt: skip
def test_what_the_manifests_tell_apart_is_the_cause(
    before: dict[str, Any], after: dict[str, Any], cause: tuple[str, str], tmp_path: Path
) -> None:
    found = causes_of("data", side(tmp_path / "a", **before), side(tmp_path / "b", **after), project=tmp_path)
    assert [(item.kind, item.text) for item in found] == [cause]


@pytest.mark.parametrize(
    ("op", "name", "cause"),
    [
        ("source", "mlops.toml", ("project", "mlops.toml changed")),
        ("source", "rows.csv", ("data", "rows.csv changed")),
        ("listing", "images/*", ("data", "the files images/* are others")),
        ("env", "HOME", ("environment", "the environment variable HOME changed")),
        ("live", "postgresql", ("data", "it reads a live source (postgresql)")),
        ("read", "scope/data.json", ("upstream", "scope/data.json, which it reads, already differs")),
    ],
)
def test_what_the_traces_tell_apart_is_the_cause(op: str, name: str, cause: tuple[str, str], tmp_path: Path) -> None:
    sides = (side(tmp_path / x, {"op": op, "name": name, "sha256": x, "digest": x}) for x in "ab")
    found = causes_of("data", *sides, project=tmp_path)
    assert [(item.kind, item.text) for item in found] == [cause]


CHANGED: list[dict[str, Any]] = [{"environment": {"fingerprint": {"project": name}}} for name in "ab"]
UNTOLD = "may come from this: the project's own modules changed, and its cells do not tell whether it imports any"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("import helper", "may come from this: the project's own modules changed, and it imports helper"),
        ("def f():\n    from lib.sub import x as y", "may come from this: the project's own modules changed, and it "
         "imports lib"),
        ("%autoreload 2\nimport helper as h, os", "may come from this: the project's own modules changed, and it "
         "imports helper"),
        ("import sub", "may come from this: the project's own modules changed, and it imports sub"),
        ("%run other.py", UNTOLD),
        ("!python helper.py", UNTOLD),
        ("import importlib\nimportlib.import_module(name)", UNTOLD),
        ("x = (", UNTOLD),
        ("import nowhere_installed", UNTOLD),
        ("from mlopskit.model import candidates", UNTOLD),
        ("import mlopskit", UNTOLD),
        ("import os, pandas\nfrom mlopskit import open_run", None),
        ("%matplotlib inline\n1", None),
        ("%%time\n1", None),
        ("'import helper'", None),
    ],
)  # fmt: skip
def test_a_changed_module_is_a_cause_where_the_cells_may_import_one(
    body: str, text: str | None, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "lib").mkdir(parents=True)
    for name in ("helper.py", "lib/sub.py"):
        (home / name).touch()
    (home / "mlops.toml").write_text("candidates = ['helper:Model']")
    sides = (side(tmp_path / x, body=body, **CHANGED[x == "b"]) for x in "ab")
    found = [(item.kind, item.text) for item in causes_of("data", *sides, project=home)]
    assert found == [("code", text)] if text else [kind for kind, _ in found] == ["nondeterminism"]


def test_what_calls_mlopskit_imports_a_module_only_where_the_project_file_names_one(tmp_path: Path) -> None:
    (tmp_path / "helper.py").touch()
    body = "from mlopskit.model import candidates"
    sides = (side(tmp_path / x, body=body, **CHANGED[x == "b"]) for x in "ab")
    (tmp_path / "mlops.toml").write_text("[model]\ncandidates = ['logistic']")
    assert [item.kind for item in causes_of("data", *sides, project=tmp_path)] == ["nondeterminism"]


def test_what_changed_around_a_phase_is_not_named_where_what_it_reads_explains_it(tmp_path: Path) -> None:
    read = {"op": "read", "name": "scope/data.json"}
    versions = ({"environment": {"distributions": {"pandas": x}}} for x in "12")
    sides = (side(tmp_path / x, {**read, "digest": x}, **more) for x, more in zip("ab", versions, strict=True))
    assert [item.kind for item in causes_of("data", *sides, project=tmp_path)] == ["upstream"]


def test_a_phase_behind_a_failed_one_is_told_which(tmp_path: Path) -> None:
    before, after = side(tmp_path / "a", {"op": "live", "name": "host"}), side(tmp_path / "b")
    after.said["phases"] = [{"name": "data", "status": "never-ran", "reason": "scope did not end well"}]
    found = causes_of("data", before, after, project=tmp_path)
    assert [(item.kind, item.text) for item in found] == [("upstream", "scope did not end well")]
    del after.said["phases"][0]["reason"]
    (cause,) = causes_of("data", before, after, project=tmp_path)
    assert cause.text == "a phase before it did not end well"


def test_the_unexplained_is_not_said_to_be_random_where_it_may_read_past_run(tmp_path: Path) -> None:
    (cause,) = causes_of("data", side(tmp_path / "a"), side(tmp_path / "b"), project=tmp_path)
    assert cause.text == (
        "nothing that the run recorded of it differs, so it is not deterministic, or depends on something that it "
        "reads past `Run` (a variable of the environment, the network, the clock)"
    )


@pytest.mark.parametrize(
    ("status", "text"),
    [("failed", "failed this time"), ("killed", "killed this time"), ("timed-out", "timed out this time")],
)
def test_a_phase_that_did_not_end_well_is_told_how_it_ended(status: str, text: str, tmp_path: Path) -> None:
    sides = [side(tmp_path / x) for x in "ab"]
    sides[1].said["phases"][0] |= {"status": status, "error": {"name": "E", "message": "m"}}
    (found,) = verification._Comparing(tmp_path, *sides, STANDARD).result(["data"]).differences
    assert found.text == f"{text}: E: m"


def test_a_phase_that_reads_a_clock_is_told_so_and_its_own_artefacts_are_no_cause(tmp_path: Path) -> None:
    trace = [{"op": "read", "name": "data/own.json"}, {"op": "read", "name": "model/took.json", "volatile": True}]
    sides = (side(tmp_path / x, *({**item, "digest": x} for item in trace)) for x in "ab")
    (cause,) = causes_of("data", *sides, project=tmp_path)
    assert (cause.kind, cause.text) == ("nondeterminism", "it reads model/took.json, which measures time")


def test_recorded_values_of_every_type_come_back_as_they_were(tmp_path: Path) -> None:
    cell = 'a: float = 1.0\nb: "str | None" = "x"\nc: list = [1]\nd: bool = True\ne: "list[float]" = [1.0]'
    home = tmp_path / "project"
    phases = tiny.make_project(home, {"data": tiny.phase_notebook("1", phase="data", parameters=cell)})
    recorded = {"a": "inf", "b": None, "c": [2, "3"], "d": False, "e": [0.5, "-inf"], "gone": 1}
    planned = planned_as(home, tmp_path, Side(tmp_path, {"parameters": {"data": recorded}}), phases)
    given = {"a": float("inf"), "b": None, "c": [2, "3"], "d": False, "e": [0.5, float("-inf")]}
    assert planned.parameters["data"].given == given
    assert arguments_of(planned)[:4] == ["data.a=inf", "data.b=none", 'data.c=[2, "3"]', "data.d=false"]


def test_a_recorded_value_that_only_python_takes_for_the_default_is_given_to_the_notebook(tmp_path: Path) -> None:
    cell = 'a: dict = {"on": 1}\nb: float = 0.0\nc: int = 1'
    home = tmp_path / "project"
    phases = tiny.make_project(home, {"data": tiny.phase_notebook("1", phase="data", parameters=cell)})
    recorded = {"a": {"on": True}, "b": -0.0, "c": 1}
    planned = planned_as(home, tmp_path, Side(tmp_path, {"parameters": {"data": recorded}}), phases)
    assert repr(planned.parameters["data"].given) == "{'a': {'on': True}, 'b': -0.0}"


def test_a_recorded_value_that_no_longer_fits_its_declaration_is_refused_by_name(tmp_path: Path) -> None:
    home = tmp_path / "project"
    phases = tiny.make_project(home, {"data": tiny.phase_notebook("1", phase="data", parameters="a: float = 1.0")})
    with pytest.raises(ParameterError, match=r"data\.a = 'auto' is not a number but text"):
        planned_as(home, tmp_path, Side(tmp_path, {"parameters": {"data": {"a": "auto"}}}), phases)


@pytest.mark.usefixtures("hangups_heard")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_verification_at_work_is_never_swept_and_what_a_kill_leaves_is(home: Path, number: signal.Signals) -> None:
    edit(home, "1_data.ipynb", "print(text)", "import time; time.sleep(600)")
    runs, folder = home / "runs", latest(home)
    command = [sys.executable, "-m", "mlopskit", "verify", folder.name, "--cold", "--quiet", "--project", str(home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as working:
        wait_for(lambda: list(runs.glob(".verify-*/*/data/trace.jsonl")))
        (runs / "latest").unlink()
        pruned = prune(runs, Rules(keep=0))
        assert (pruned.abandoned, list(pruned.spared.values())) == ((), ["it is being verified now"])
        (place,) = runs.glob(".verify-*")
        working.send_signal(number)
        if number != signal.SIGKILL:  # the run stops, the command cleans up after it
            assert working.wait() == 1
            assert not place.exists()
        working.wait()
    left = () if number != signal.SIGKILL else (place.name,)
    assert plan_pruning(runs, Rules(keep=9)).abandoned == left
    assert [item.name for item in list_runs(runs)] == [folder.name]
    assert prune(runs, Rules(keep=9)).abandoned == left
    assert not list(runs.glob(".verify-*"))


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within two minutes")


def test_what_was_asked_to_be_kept_is_not_swept(home: Path) -> None:
    found = again(home, keep=True)
    assert prune(home / "runs", Rules(keep=9)).abandoned == ()
    assert (found.again or Path()).joinpath("run.json").is_file()


def test_a_full_disk_at_the_start_leaves_no_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(path.name for path in (home / "runs").iterdir())
    monkeypatch.setattr(repetition.presence, "present", full)
    with pytest.raises(RunError, match="No space left on device"):
        again(home)
    assert sorted(path.name for path in (home / "runs").iterdir()) == before


def test_the_command_says_causes_and_exit_code(home: Path) -> None:
    app = typer.Typer()
    app.command("verify")(command)
    done = CliRunner().invoke(app, ["latest", "--cold", "--project", str(home)], standalone_mode=False)
    assert (done.return_value, "reproduced: 2 artefacts and 8 cells" in done.stdout) == (0, True), done.output
    (home / "rows.csv").write_text("bought,age\nno,1\n")
    done = CliRunner().invoke(app, ["--json", "--cold", "--project", str(home)], standalone_mode=False)
    said = json.loads(done.stdout)
    assert (done.return_value, said["status"]) == (3, "not-reproduced")
    assert said["differences"][0]["causes"][0] == {"kind": "data", "text": "rows.csv changed", "phase": "data"}
