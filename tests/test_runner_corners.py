"""What a phase may depend on, what a run gives away and what is said of it, in the corners."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlopskit.cli.progress import Plain
from mlopskit.errors import MlopskitError, UsageError
from mlopskit.params import Parameter
from mlopskit.runner import execute, plan
from mlopskit.runner.compare import compare
from mlopskit.runner.fingerprint import fingerprint
from mlopskit.runner.forecast import forecast, forecasts
from mlopskit.runner.grid import points
from mlopskit.runner.overrides import combine
from mlopskit.runner.standin import INLINE
from mlopskit.runner.surroundings import variables
from mlopskit.runner.verification import verify
from mlopskit.runs import LOOKS, read_trace
from mlopskit.share import share
from tests import tiny

pytestmark = pytest.mark.usefixtures("forked")

ASKS = {
    "has": "run.has('a/extra')",
    "hasattr": "hasattr(run['a'], 'extra')",
    "in": "'extra' in run['a']",
    "list": "list(run['a'])",
    "read": "look(lambda: run.read('a/extra'))",
}
LOOK = """
def look(ask):
    try:
        return str(ask())
    except Exception:
        return 'none'
run.write('v', str(%s))
"""


def again(home: Path, phases: Any, **more: Any) -> list[str]:
    made = tiny.run(home, phases, reuse_unchanged=True, **more)
    return [entry.status for entry in made.manifest.phases]


def edit(home: Path, name: str, change: Any) -> None:
    path = next((home / "notebooks").glob(f"*_{name}.ipynb"))
    made = json.loads(path.read_text())
    change(made)
    path.write_text(json.dumps(made))


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("first", [True, False])
def test_asking_what_a_phase_wrote_counts_as_read(tmp_path: Path, ask: str, first: bool) -> None:
    bodies = [f"run.write('base', 1){more}" for more in ("\nrun.write('extra', 2)", "")]
    phases = tiny.make_project(tmp_path / "p", {"a": bodies[not first], "b": LOOK % ASKS[ask]})
    again(tmp_path / "p", phases)
    edit(tmp_path / "p", "a", lambda made: made["cells"][4].update(source=bodies[first]))
    assert again(tmp_path / "p", phases) == ["done", "done"]


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ("look(lambda: run.source_file('opt.txt'))", "opt.txt"),
        ("run.list_files('sub', '**/*.txt')", "sub/deep/x.txt"),
        ("run.list_files('sub[1]')", "sub[1]/x.txt"),
        ("run.list_files(run.project / 'sub', '*.txt')", "sub/x.txt"),
    ],
)
def test_file_that_was_not_there_and_is_now_reruns_the_phase(tmp_path: Path, body: str, made: str) -> None:
    home = tmp_path / "p"
    phases = tiny.make_project(home, {"a": LOOK % body})
    again(home, phases)
    (home / made).parent.mkdir(parents=True, exist_ok=True)
    (home / made).write_text("x")
    assert again(home, phases) == ["done"]


def test_every_kind_of_look_stands_in_a_manifest_that_keeps_its_contract(tmp_path: Path) -> None:
    body = "\n".join(LOOK % ask for ask in [*ASKS.values(), "run.has('a/base')", "run.source_file('no')"])
    phases = tiny.make_project(tmp_path / "p", {"a": "run.write('base', 1)", "b": f"run.list_files('sub')\n{body}"})
    record = json.loads((tiny.run(tmp_path / "p", phases).folder / "run.json").read_text())
    jsonschema.validate(record, json.loads((share("templates") / "run.schema.json").read_text()))
    assert {item["op"] for item in record["phases"][1]["reads"]} >= LOOKS | {"listing"}


def test_phase_that_looks_into_another_run_is_never_reused(tmp_path: Path) -> None:
    body = "from mlopskit import load_run\ntry: run.write('v', load_run()['a'].n)\nexcept Exception: run.write('v', -1)"
    home = tmp_path / "p"
    phases = tiny.make_project(home, {"a": "run.write('n', n)", "b": body})
    made = [tiny.run(home, phases, "a.n=4", reuse_unchanged=True) for _ in range(2)]
    assert [[entry.status for entry in item.manifest.phases] for item in made] == [["done", "done"], ["reused", "done"]]
    assert "run latest" in made[0].manifest.phases[1].reason
    values = [json.loads((item.folder / "b" / "v.json").read_text()) for item in made]
    assert values == [-1, 4]


def test_module_beside_the_notebooks_is_part_of_the_key_and_a_jupytext_twin_is_not(tmp_path: Path) -> None:
    home = tmp_path / "p"
    phases = tiny.make_project(home, {"a": "from notebooks.helper import V\nrun.write('v', V)"})
    (home / "notebooks/helper.py").write_text("V = 1\n")
    again(home, phases)
    (home / "notebooks/1_a.py").write_text("# text\n")
    assert again(home, phases) == ["reused"]
    (home / "notebooks/helper.py").write_text("V = 2\n")
    assert again(home, phases) == ["done"]


def test_module_in_the_tests_counts_for_the_phase_that_imports_it_alone(tmp_path: Path) -> None:
    home = tmp_path / "p"
    bodies = {
        "a": "import sys\nsys.path[:0] = [str(run.project)]\nfrom tests.own_rows import V\nrun.write('v', V)",
        "b": "n",
    }
    phases = tiny.make_project(home, bodies)
    (home / "tests").mkdir()
    for name, text in (("__init__", ""), ("own_rows", "V = 1\n"), ("test_other", "")):
        (home / "tests" / f"{name}.py").write_text(text)
    again(home, phases)
    (home / "tests/test_other.py").write_text("# more\n")
    assert again(home, phases) == ["reused", "reused"]
    (home / "tests/own_rows.py").write_text("V = 2\n")
    assert again(home, phases) == ["done", "reused"]


def test_module_of_a_folder_on_the_path_counts_as_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, lent = tmp_path / "p", tmp_path / "lent"
    lent.mkdir()
    monkeypatch.syspath_prepend(lent)
    monkeypatch.setenv("PYTHONPATH", str(lent))
    monkeypatch.setattr(tiny, "SERVER", None)  # the server began with another path
    phases = tiny.make_project(home, {"a": "from lent_helper import V\nrun.write('v', V)"})
    (lent / "lent_helper.py").write_text("V = 1\n")
    again(home, phases)
    assert again(home, phases) == ["reused"]
    (lent / "lent_helper.py").write_text("V = 2\n")
    assert again(home, phases) == ["done"]


def test_another_module_of_a_name_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, first, second = (tmp_path / name for name in ("p", "first", "second"))
    monkeypatch.setattr(tiny, "SERVER", None)
    phases = tiny.make_project(home, {"a": "from lent_helper import V\nrun.write('v', V)"})
    for folder in (first, second):
        folder.mkdir()
        (folder / "lent_helper.py").write_text(f"V = {folder.name!r}\n")
    with monkeypatch.context() as elsewhere:
        elsewhere.syspath_prepend(second)
        elsewhere.setenv("PYTHONPATH", str(second))
        assert again(home, phases) == ["done"]
    monkeypatch.syspath_prepend(first)
    monkeypatch.setenv("PYTHONPATH", str(first))
    assert [again(home, phases), again(home, phases)] == [["done"], ["reused"]]


def test_module_that_was_looked_for_on_the_path_in_vain_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, lent = tmp_path / "p", tmp_path / "lent"
    lent.mkdir()
    monkeypatch.setattr(tiny, "SERVER", None)
    monkeypatch.syspath_prepend(lent)
    monkeypatch.setenv("PYTHONPATH", str(lent))
    body = "try:\n    from lent_helper import V\nexcept ImportError:\n    V = 0\nrun.write('v', V)"
    phases = tiny.make_project(home, {"a": body})
    assert [again(home, phases), again(home, phases)] == [["done"], ["reused"]]
    (lent / "lent_helper.py").write_text("V = 1\n")
    assert again(home, phases) == ["done"]


def test_module_from_elsewhere_that_changes_after_its_import_is_never_reused(tmp_path: Path) -> None:
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent/helper.py").write_text("V = 1\n")
    body = "import sys, time\nsys.path.append('../lent')\nimport helper\ntime.sleep(0.1)\n"
    phases = tiny.make_project(tmp_path / "p", {"a": f"{body}open(helper.__file__, 'w').write('V = 2')"})
    entry = tiny.manifest_of(tiny.run(tmp_path / "p", phases, reuse_unchanged=True))["phases"][0]
    assert entry["reason"] == "will not be reused: ../lent/helper.py was written to while it was being read"


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("lent/helper.py", "import sys\nsys.path.append('../lent')\nfrom helper import V"),
        ("lent/helper.py", "from linked.lent.helper import V"),
        ("p/linked/helper.py", "from linked.helper import V"),
        ("p/.hidden/helper.py", "import sys\nsys.path.append('.hidden')\nfrom helper import V"),
    ],
    ids=["on the path", "behind a link", "beside a notebook of its name", "in a hidden folder"],
)
def test_module_that_is_in_no_key_counts_as_read(tmp_path: Path, place: str, body: str) -> None:
    home, module = tmp_path / "p", tmp_path / place
    phases = tiny.make_project(home, {"a": f"{body}\nrun.write('v', V)", "b": "run.write('v', 1)"})
    for folder in (home / "linked", module.parent):
        folder.mkdir(exist_ok=True)
    (home / "linked/helper.ipynb").touch()
    (home / "linked/lent").symlink_to("../../lent")
    module.write_text("V = 1\n")
    again(home, phases)
    assert again(home, phases) == ["reused", "reused"]
    module.write_text("V = 2\n")
    assert again(home, phases) == ["done", "reused"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("TZ", "Asia/Tokyo"), ("LC_NUMERIC", "de_DE.UTF-8"), ("OMP_NUM_THREADS", "7"), ("PYTHONOPTIMIZE", "2")],
)
def test_what_libraries_read_of_the_environment_when_they_start_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    before = fingerprint(tmp_path)
    monkeypatch.setenv(name, value)
    now = fingerprint(tmp_path)
    assert now.variables != before.variables
    assert replace(now, variables=before.variables) == before
    assert variables()[name] == value


@pytest.mark.parametrize(
    ("variable", "file"),
    [
        ("MPLCONFIGDIR", "matplotlibrc"),
        ("XDG_CONFIG_HOME", "matplotlib/matplotlibrc"),
        ("HOME", ".config/matplotlib/matplotlibrc"),
        ("MATPLOTLIBRC", "matplotlibrc"),
        ("IPYTHONDIR", "profile_default/startup/00.py"),
        ("HOME", ".ipython/profile_default/ipython_config.py"),
    ],
)
def test_what_a_user_has_set_for_all_kernels_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, file: str
) -> None:
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "MATPLOTLIBRC", "IPYTHONDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "user"))
    (tmp_path / "p").mkdir()
    before = fingerprint(tmp_path / "p")
    path = tmp_path / "user" / file
    path.parent.mkdir(parents=True)
    path.write_text("lines.linewidth: 7\n", encoding="utf-8")
    laid = fingerprint(tmp_path / "p")
    path.write_text("lines.linewidth: 8\n", encoding="utf-8")
    assert len({before.installed, laid.installed, fingerprint(tmp_path / "p").installed}) == 3


def test_variable_with_a_path_counts_and_the_path_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/home/me/lib")
    told = variables()["LD_LIBRARY_PATH"]
    monkeypatch.setenv("LD_LIBRARY_PATH", "lib:/home/me/lib")
    assert {told, variables()["LD_LIBRARY_PATH"]} == {
        f"sha256:{sha256(text).hexdigest()[:16]}" for text in (b"/home/me/lib", b"lib:/home/me/lib")
    }


@pytest.mark.parametrize(
    ("name", "value", "is_said"),
    [
        ("TZ", "America/Argentina/Buenos_Aires", True),
        ("PYTHONWARNINGS", "ignore::DeprecationWarning", True),
        ("LANG", "", True),
        ("LANG", os.fsdecode(b"\xff"), False),
        ("MATPLOTLIBRC", "home/me/rc", False),
        ("TZ", ":/home/me/zone", False),
        ("LD_PRELOAD", "lib;x", False),
    ],
)
def test_value_that_is_no_plain_word_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, is_said: bool
) -> None:
    monkeypatch.setenv(name, value)
    assert (variables()[name] == value) == is_said
    json.dumps(variables(), ensure_ascii=False).encode()
    fingerprint(tmp_path)


def test_what_a_kernel_sets_for_what_it_starts_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLBACKEND", raising=False)
    before = fingerprint(tmp_path)
    monkeypatch.setenv("MPLBACKEND", INLINE)
    assert fingerprint(tmp_path) == before
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert fingerprint(tmp_path) != before


def test_other_variables_count_only_where_a_cell_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(tmp_path)
    monkeypatch.setenv("MY_OWN", "1")
    monkeypatch.setenv("LC_TERMINAL", "another")
    monkeypatch.setenv("LD_SDK_KEY", "sdk-0123456789")
    assert "LD_SDK_KEY" not in variables()
    assert fingerprint(tmp_path) == before


def test_what_the_caller_added_to_its_own_path_is_no_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No kernel searches it."""
    before = fingerprint(tmp_path)
    added = tmp_path / ".added"
    added.mkdir()
    (added / "helper.py").touch()
    (added / "something-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(added)
    monkeypatch.syspath_prepend(tmp_path)  # what stands first may be where the caller lies
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("new", ["something-1.0.dist-info", "helper.py", "more.pth"])
def test_a_folder_that_a_file_beside_the_distributions_puts_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: str
) -> None:
    installed, editable, project = (tmp_path / name for name in ("site-packages", "editable", "p"))
    for folder in (installed, editable, project):
        folder.mkdir()
    monkeypatch.setattr("site.getsitepackages", lambda: [str(installed)])
    (installed / "editable.pth").write_text(f"# of a checkout\nimport sys\n{editable}\n", encoding="utf-8")
    before = fingerprint(project)
    assert before == fingerprint(project)
    if new.endswith("-info"):
        (editable / new).mkdir()
    else:
        (installed if new.endswith(".pth") else editable).joinpath(new).touch()
    assert fingerprint(project).installed != before.installed


def test_dead_links_that_editors_leave_beside_modules_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/.#helper.py").symlink_to("me@here.1234")
    assert fingerprint(tmp_path) == fingerprint(tmp_path)


def test_what_is_installed_counts_wherever_the_caller_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.egg-info").mkdir()
    elsewhere = fingerprint(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m mlopskit` does
    assert fingerprint(tmp_path) == elsewhere


def test_tag_that_skips_a_cell_is_part_of_the_key(tmp_path: Path) -> None:
    home = tmp_path / "p"
    phases = tiny.make_project(home, {"a": "run.write('v', 1)"})
    again(home, phases)
    edit(home, "a", lambda made: made["cells"][4].update(metadata={"tags": ["skip-execution"]}))
    assert again(home, phases) == ["done"]


def test_cells_that_a_tag_skips_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[dict[str, Any]] = []
    phases = tiny.make_project(tmp_path, {"a": "run.write('v', 1)"})
    whole = tiny.run(tmp_path, phases).manifest.phases[0]
    assert (whole.cells, whole.executed, whole.reason) == (4, 4, None)
    edit(tmp_path, "a", lambda made: made["cells"][4].update(metadata={"tags": ["skip-execution"]}))
    less = tiny.run(tmp_path, phases, listener=told.append).manifest.phases[0]
    assert (less.cells, less.executed, less.reason) == (
        4,
        3,
        "1 of 4 cells did not run: tagged skip-execution, or behind sys.exit()",
    )
    Plain().on_ended(next(event for event in told if event["event"] == "ended"))
    assert "3 of 4 cells" in capsys.readouterr().out
    reused = tiny.run(tmp_path, phases, reuse_unchanged=True).manifest.phases[0]
    assert (reused.status, reused.cells, reused.executed) == ("reused", 4, 3)
    assert str(reused.reason).endswith("; 1 of 4 cells did not run: tagged skip-execution, or behind sys.exit()")


def test_not_a_number_and_the_text_nan_are_two_parameters(tmp_path: Path) -> None:
    home = tmp_path / "p"
    made = tiny.phase_notebook("run.write('v', repr(d))", phase="a", parameters="d: dict = {}")
    phases = tiny.make_project(home, {"a": made})
    tiny.run(home, phases, 'a.d={"x": NaN}', reuse_unchanged=True)
    assert tiny.run(home, phases, 'a.d={"x": "nan"}', reuse_unchanged=True).manifest.phases[0].status == "done"


def test_resumed_run_keeps_infinity_and_the_types_of_numbers(tmp_path: Path) -> None:
    home, cell = tmp_path / "p", 'f: float = 1.0\nl: "list[float]" = [1.0]\nd: dict = {"x": 1}\nm: list = []'
    phases = tiny.make_project(
        home, {"a": tiny.phase_notebook("run.write('v', repr((f, l, d, m)))", phase="a", parameters=cell)}
    )
    given = ["a.f=inf", "a.l=1,-inf", 'a.d={"x": 1.0, "y": NaN, "z": "nan"}', 'a.m=["inf", Infinity]']
    made = tiny.run(home, phases, *given)
    resumed = plan(home, phases=phases, choice=tiny.Choice(resume=made.folder.name))
    expected = "{'f': inf, 'l': [1.0, -inf], 'd': {'x': 1.0, 'y': nan, 'z': 'nan'}, 'm': ['inf', inf]}"
    assert repr(resumed.parameters["a"].values) == expected
    found = verify(home, made.folder, phases=phases)
    assert (found.differences, found.changes) == ((), ())


@pytest.mark.parametrize(
    ("body", "words"),
    [("run.live_source('a database')", "live source"), ("1", "another order"), ("2", "`d` {'x': 1} → {'x': 1.0}")],
)
def test_forecast_says_why_it_cannot_be_reused(tmp_path: Path, body: str, words: str) -> None:
    home = tmp_path / "p"
    cell = 'd: dict = {"x": 1}'
    phases = tiny.make_project(home, {"a": tiny.phase_notebook(body, phase="a", parameters=cell)})
    again(home, phases)
    if body == "1":
        edit(home, "a", lambda made: made["cells"].insert(2, made["cells"].pop(4)))
    arguments = ['a.d={"x": 1.0}'] if body == "2" else []
    (told,) = forecast(plan(home, phases=phases, reuse_unchanged=True, arguments=arguments))
    assert told.verdict == "run"
    assert words in told.why


@pytest.mark.filterwarnings("ignore:(Cell is missing an id|Non-unique cell id)")
def test_forecast_and_comparison_name_only_what_changed_where_cells_are_empty_or_lack_ids_of_their_own(
    tmp_path: Path,
) -> None:
    made = tiny.phase_notebook("run.write('v', n)", phase="a")
    made["cells"].append(tiny.code("", name="empty"))
    before_ids = {**made, "nbformat_minor": 4, "cells": [{**cell} for cell in made["cells"]]}
    for cell in before_ids["cells"]:
        del cell["id"]
    shared = {**made, "cells": [{**cell, "id": cell["id"][:1]} for cell in made["cells"]]}
    missing = {**made, "cells": before_ids["cells"]}
    phases = tiny.make_project(tmp_path / "p", {"a": made, "b": before_ids, "c": shared, "d": missing})
    first = tiny.run(tmp_path / "p", phases).folder
    arguments = [f"{phase}.n=2" for phase in "abcd"]
    told = forecast(plan(tmp_path / "p", phases=phases, reuse_unchanged=True, arguments=arguments))
    assert {item.why for item in told} == {f"since {first.name}: `n` 1 → 2"}
    second = tiny.run(tmp_path / "p", phases, *arguments).folder
    assert compare(first, second).code == ()


def test_forecast_of_a_notebook_that_was_executed_before_tells_what_changed(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"a": "run.write('v', n)"})
    first = tiny.run(tmp_path / "p", phases, "a.n=3").folder
    (tmp_path / "p" / phases[0].notebook).write_bytes((first / "a/notebook.ipynb").read_bytes())
    second = tiny.run(tmp_path / "p", phases, "a.n=3").folder
    (told,) = forecast(plan(tmp_path / "p", phases=phases, reuse_unchanged=True, arguments=["a.n=2"]))
    assert told.why == f"since {second.name}: `n` 3 → 2"


def test_forecast_tells_of_a_tag_that_skips_a_cell(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"a": "run.write('v', n)"})
    again(tmp_path / "p", phases)
    edit(tmp_path / "p", "a", lambda made: made["cells"][4].update(metadata={"tags": ["skip-execution"]}))
    (told,) = forecast(plan(tmp_path / "p", phases=phases, reuse_unchanged=True))
    assert told.why.endswith(": code cell 3 (Work) changed")


def test_forecast_of_a_grid_tells_what_its_points_share(tmp_path: Path) -> None:
    home = tmp_path / "p"
    phases = tiny.make_project(home, {"a": "1", "b": "run.write('v', n)", "c": "run.read('b/v')", "d": "1"})
    phases = (*phases[:3], replace(phases[3], after=("a",)))
    plans = [plan(home, phases=phases, reuse_unchanged=True, arguments=[f"b.n={n}"]) for n in (1, 2)]
    first, second = forecasts(plans)
    assert {item.why for item in first} == {"it has not run before"}
    shared = "shared with point 1 of the grid if it can be reused"
    assert [item.why for item in second] == [
        shared, "it has not run before", "if b writes something else than at point 1 of the grid", shared
    ]  # fmt: skip
    for planned in plans:
        execute(planned, server=tiny.SERVER)
    assert {item.verdict for told in forecasts(plans) for item in told} == {"reuse"}


def test_forecast_of_a_grid_shares_nothing_that_read_a_live_source(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"a": "run.live_source('a database')", "b": "1"})
    phases = (phases[0], replace(phases[1], after=()))
    again(tmp_path / "p", phases)
    told = forecasts(
        [plan(tmp_path / "p", phases=phases, reuse_unchanged=True, arguments=[f"b.n={n}"]) for n in (2, 3)]
    )
    assert [items[0].verdict for items in told] == ["run", "run"]


def test_folder_that_is_a_source_counts_with_what_its_links_lead_to(tmp_path: Path) -> None:
    home, images = tmp_path / "p", tmp_path / "images"
    body = "folder = run.source_file('data')\nrun.write('v', (folder / 'linked/1.txt').read_text())"
    phases = tiny.make_project(home, {"a": body})
    images.mkdir()
    (images / "1.txt").write_text("one")
    for name in ("here", "up"):  # both lead back, together without end
        (images / name).symlink_to(images)
    (home / "data").mkdir()
    (home / "data/linked").symlink_to(images)
    again(home, phases)
    assert again(home, phases) == ["reused"]
    (images / "1.txt").write_text("two")
    assert again(home, phases) == ["done"]


def test_folder_in_which_a_file_changed_while_it_was_read_is_never_reused(tmp_path: Path) -> None:
    body = "folder = run.source_file('data')\n(folder / '1.txt').write_text('another')"
    phases = tiny.make_project(tmp_path / "p", {"a": body})
    (tmp_path / "p/data").mkdir()
    (tmp_path / "p/data/1.txt").write_text("one")
    entry = tiny.manifest_of(tiny.run(tmp_path / "p", phases, reuse_unchanged=True))["phases"][0]
    assert entry["reason"] == "will not be reused: data was written to while it was being read"


def test_files_of_a_listing_are_known_by_their_place_in_the_project(tmp_path: Path) -> None:
    body = "run.write('v', [run.source_file(path).name for path in run.list_files('data')])"
    phases = tiny.make_project(tmp_path / "p", {"a": body})
    (tmp_path / "p/data").mkdir()
    (tmp_path / "p/data/1.csv").touch()
    again(tmp_path / "p", phases)
    (tmp_path / "p").rename(tmp_path / "moved")
    assert again(tmp_path / "moved", phases) == ["reused"]


@pytest.mark.parametrize(
    ("name", "now"), [("d.parquet", b"PAR1 and no more"), ("d.csv", b"a\n" + 200_000 * b"x"), ("d.csv", b'a\n"b\n')]
)
def test_forecast_counts_no_rows_of_a_damaged_table(tmp_path: Path, name: str, now: bytes) -> None:
    body = f"run.source_file({name!r})\nrun.write('source', {{'source': {name!r}, 'rows': 1}})"
    phases = tiny.make_project(tmp_path / "p", {"data": body})
    (tmp_path / "p" / name).write_bytes(b"a\n1\n")
    again(tmp_path / "p", phases)
    (tmp_path / "p" / name).write_bytes(now)
    (told,) = forecast(plan(tmp_path / "p", phases=phases, reuse_unchanged=True))
    assert told.why.startswith(f"{name} changed")


def test_environment_variable_that_is_no_text_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = tiny.make_project(tmp_path / "p", {"a": "run.environment_variable('ODD')"})
    for value, status in ((b"\xff", "done"), (b"\xff", "reused"), (b"\xfe", "done")):
        monkeypatch.setitem(os.environb, b"ODD", value)
        assert again(tmp_path / "p", phases) == [status]


def test_file_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    body = "for path in run.list_files('data'): run.source_file(path)"
    phases = tiny.make_project(tmp_path / "p", {"a": body})
    (tmp_path / "p/data").mkdir()
    (tmp_path / "p" / os.fsdecode(b"data/\xe4.csv")).touch()
    error = tiny.run(tmp_path / "p", phases).manifest.phases[0].error or {}
    assert "its bytes are not UTF-8. Rename the file." in error["message"]


def test_phase_whose_results_were_asked_for_in_vain_counts_as_absent(tmp_path: Path) -> None:
    body = "try:\n    run['extra']\nexcept Exception:\n    run.write('v', 1)"
    phases = tiny.make_project(tmp_path / "p", {"a": body})
    outcome = tiny.run(tmp_path / "p", phases, reuse_unchanged=True)
    assert ("absent", "extra") in [(record.op, record.name) for record in read_trace(outcome.folder / "a")]


def test_forecast_of_one_phase_takes_nothing_from_nowhere(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"a": "1", "b": "1"})
    told = forecast(plan(tmp_path / "p", phases=phases, choice=tiny.Choice(only=["a"])))
    assert [(item.verdict, item.why) for item in told][1] == ("leave", "left out of this run")


def test_quotes_keep_commas_of_a_grid_together_and_are_no_part_of_the_value() -> None:
    assert points(['x.s="a,b",c']) == [["x.s=a,b"], ["x.s=c"]]


def test_axis_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="given twice"):
        points(["n=1,2", "n=3"])


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    made = tiny.phase_notebook("1", phase="a", parameters='s: str = "x"')
    phases = tiny.make_project(tmp_path / "p", {"a": made})
    with pytest.raises(MlopskitError, match="no UTF-8"):
        plan(tmp_path / "p", phases=phases, arguments=["a.s=\udcff"])


@pytest.mark.parametrize(
    "body",
    [
        "run.live_source('postgresql://u:' + t + '@h')",
        "run.write(t, 1)",
        "run.write('v', {'k': t})\nraise ValueError('x')",
        "with run.write_folder('f') as d:\n    (d / (t + '.txt')).write_text('x')",
    ],
)
def test_secret_in_a_name_or_a_failed_phase_is_told_and_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setenv("TOK", "hunter2hunter9")
    head = "from mlopskit.secrets import reveal\nt = reveal(tok)\n"
    made = tiny.phase_notebook(head + body, phase="a", parameters='tok: "secret" = "env:TOK"')
    found = tiny.run(tmp_path / "p", tiny.make_project(tmp_path / "p", {"a": made}))
    error = found.manifest.phases[0].error
    assert found.manifest.phases[0].status == "failed"
    assert "holds the secret tok" in error["message"]
    for file in ("run.json", "lineage.jsonl", "report.html", "a/trace.jsonl"):
        assert "hunter2hunter9" not in (found.folder / file).read_text()


@pytest.mark.parametrize("kind", ["warm", "--cold"])
def test_what_a_kernel_prints_past_the_notebook_keeps_no_secret_when_the_runner_is_killed(
    project: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("TOK", "hunter2hunter9")
    body = (
        "import os, signal\nfrom mlopskit.secrets import reveal\nos.write(2, ('A ' + reveal(tok)).encode())\n"
        "run.write('said', 1)\n{end}"
    )
    for end in ("os.kill(int(os.environ['RUNNER']), signal.SIGKILL)\nimport time; time.sleep(60)", "1 / 0"):
        made = tiny.phase_notebook(body.format(end=end), phase="scope", parameters='tok: "secret" = "env:TOK"')
        home = project / end[:1]
        tiny.make_project(home, {"scope": made})
        code = (
            "import os, sys; os.environ['RUNNER'] = str(os.getpid())\n"
            "from mlopskit.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        options = [] if kind == "warm" else [kind]
        command = [sys.executable, "-c", code, "run", "--to", "scope", "--quiet", *options]
        subprocess.run(command, cwd=home, check=False)
        (said,) = home.glob("runs/*/scope/said.json")
        assert said.is_file()
        texts = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
        assert not any(b"hunter2hunter9" in text for text in texts)
    (log,) = home.glob("runs/*/scope/kernel.log")
    assert log.read_text() == "A [secret tok]"


def test_error_is_placed_where_it_happened_though_later_cells_ran(tmp_path: Path) -> None:
    made = tiny.phase_notebook("1 / 0", phase="a")
    made["cells"][4]["metadata"] = {"tags": ["raises-exception"]}
    found = tiny.run(tmp_path / "p", tiny.make_project(tmp_path / "p", {"a": made}))
    assert found.manifest.phases[0].error["heading"] == "Work"


@pytest.mark.parametrize("axis", ["x.s=don't,b", 'x.s="a,b', "x.l=[1,2", "x.d={'a': [1}"])
def test_axis_with_an_open_quote_or_bracket_is_refused(axis: str) -> None:
    with pytest.raises(UsageError, match=r"opens a (quote|bracket) that it does not close"):
        points([axis])


@pytest.mark.parametrize(
    ("arguments", "lost"),
    [
        (["n=1", "n=2"], "n=1"),
        (["a.n=1", "a.n=2"], "a.n=1"),
        (["a.n=1", "n=2"], "a.n=1"),
        (["m=1", "a.m=2"], "m=1"),
        (["n=1", "a.n=2", "b.n=3"], "n=1"),
        (["n=1", "a.n=2"], ""),
        (["a.n=1", "b.n=2", "m=3"], ""),
    ],
)
def test_argument_that_another_leaves_without_effect_is_refused(arguments: list[str], lost: str) -> None:
    whole = [Parameter("n", "int", 0)]
    declared = {"a": [*whole, Parameter("m", "int", 0)], "b": whole}
    if not lost:
        combine(declared, table={}, arguments=arguments)
        return
    with pytest.raises(UsageError, match=f"^{lost} would have no effect: {arguments[-1]}, which comes after it"):
        combine(declared, table={}, arguments=arguments)
