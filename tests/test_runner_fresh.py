"""A fresh environment is made of what the manifest lists, in exactly these versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from mlopskit.errors import RunError
from mlopskit.runner import fresh, installed, needs
from mlopskit.runner.compare_runs import Side
from mlopskit.runner.verification import verify
from tests import tiny
from tests.test_runner_verification import TOML

REPO = Path(__file__).resolve().parents[1]
GREETS = 'import greeting\nrun.write("said", {"by": greeting.says()})'


def make_wheel(folder: Path, name: str, version: str, code: str, requires: str = "") -> Path:
    """A wheel of one module, as an index would hold it."""
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    meta += f"Requires-Dist: {requires}\n" if requires else ""
    home = f"{name}-{version}.dist-info"
    wheel = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}.py": code, f"{home}/METADATA": meta, f"{home}/WHEEL": wheel}
    files[f"{home}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{home}/RECORD"])
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(inside, text)
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that pip and uv can install from: one distribution, and two versions of what it stands on."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "greeting", "1.0", "import voice\n\n\ndef says(): return voice.VERSION\n", "voice>=1")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "voice", version, f"VERSION = {version!r}\n")
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    return folder


def without_uv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a uv on the path that can install nothing."""
    folder.mkdir()
    (folder / "uv").write_text("#!/bin/sh\nexit 2\n")
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def versions_in(folder: Path) -> dict[str, str]:
    return installed.scan([str(path) for path in folder.glob("lib/python*/site-packages")]).distributions


RECORDED = {"python": "", "direct": [], "distributions": {"greeting": "1.0", "voice": "1.0"}}


def test_pip_installs_exactly_what_is_recorded_also_what_was_nobodys_direct_choice(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(tmp_path / "bin", monkeypatch)
    fresh.make_environment(tmp_path / "env", fresh.recipe(RECORDED))
    assert versions_in(tmp_path / "env") == RECORDED["distributions"]


def test_uv_installs_the_same(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("uv")
    fresh.make_environment(tmp_path / "env", fresh.recipe(RECORDED))
    assert versions_in(tmp_path / "env") == RECORDED["distributions"]


def test_a_version_that_cannot_be_had_is_one_sentence(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(tmp_path / "bin", monkeypatch)
    (wheels / "voice-1.0-py3-none-any.whl").unlink()
    with pytest.raises(RunError, match=r"cannot be installed: .*voice==1\.0.*verify without --env"):
        fresh.make_environment(tmp_path / "env", fresh.recipe(RECORDED))


def test_an_installer_that_installs_something_else_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(tmp_path / "bin", monkeypatch)
    (tmp_path / "bin" / "uv").write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(RunError, match=r"not the recorded one: greeting is missing, voice is missing"):
        fresh.make_environment(tmp_path / "env", fresh.recipe(RECORDED))


def test_another_python_is_looked_for_by_its_version(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no python2\.99"):
        fresh.make_environment(tmp_path / "env", fresh.recipe({"python": "2.99.1"}))


def test_a_run_is_executed_again_on_what_was_installed_for_it_alone(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"  # where the run finds both, and the second run does not look
    for wheel in ("greeting-1.0", "voice-1.0"):
        zipfile.ZipFile(wheels / f"{wheel}-py3-none-any.whl").extractall(site)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    home = tmp_path / "project"
    tiny.make_project(home, {"data": GREETS, "model": "1 + 1"}, toml=TOML)
    (home / "rows.csv").write_text("bought,age\n" + "yes,1\nno,2\n" * 20)
    folder = tiny.run(home, None).folder  # type: ignore[arg-type]
    assert json.loads((folder / "data" / "said.json").read_text()) == {"by": "1.0"}

    # mlopskit and what it stands on would take a gigabyte: they are lent by this environment, on top of the fresh one.
    monkeypatch.setattr(needs, "needed", lambda *_: {"greeting", "voice"})
    make = fresh.make_environment

    def lent(place: Path, recipe: fresh.Recipe) -> Path:
        python = make(place, recipe)
        (site_packages,) = place.glob("lib/python*/site-packages")
        (site_packages / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{REPO}\n")
        return python

    monkeypatch.setattr(fresh, "make_environment", lent)
    told: list[Any] = []
    found = verify(home, folder, env=True, keep=True, cold=True, listener=told.append)
    assert (found.differences, found.artefacts, found.cells) == ((), 1, 8)
    assert found.environment[0] == "2 distributions in exactly the recorded versions"
    assert [event["status"] for event in told if event["event"] == "ended"] == ["done", "done"]
    said = json.loads((found.again or Path()).joinpath("run.json").read_text())
    assert said["environment"]["distributions"]["voice"] == "1.0"
    assert not list((home / "runs").glob(".verify-*/environment"))
    assert "environment" not in {item.kind for item in found.changes}


def make_metadata(folder: Path, name: str, said: object = None) -> None:
    (folder / name).mkdir(parents=True)
    if said is not None:
        (folder / name / "direct_url.json").write_text(json.dumps(said))


def test_names_and_versions_are_read_off_the_folders_and_origins_told_without_secrets(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    make_metadata(first, "Some_Thing-1.0.post1+cpu.dist-info")
    make_metadata(first, "~alf-1.dist-info")
    make_metadata(first, "old-2.0-py3.11.egg-info")
    make_metadata(first, "own-3.dist-info", {"url": "file:///x", "dir_info": {"editable": True}})
    make_metadata(first, "folder-3.dist-info", {"url": "file:///x", "dir_info": {}})
    make_metadata(first, "file-3.dist-info", {"url": "file:///x.whl", "archive_info": {}})
    git = {"url": "https://me:word@host/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    make_metadata(first, "git-3.dist-info", git)
    (first / "develop.egg-info").mkdir()
    (first / "develop.egg-info" / "PKG-INFO").write_text("Name: develop\nVersion: 4.5\n")
    make_metadata(second, "some.thing-2.0.dist-info")
    (second / "x.pth").touch()
    found = installed.scan([str(first), str(tmp_path / "none"), str(second)])
    plain = {"some-thing": "1.0.post1+cpu", "old": "2.0", "develop": "4.5"}
    assert found.distributions == dict(sorted({**plain, "own": "3", "folder": "3", "file": "3", "git": "3"}.items()))
    assert found.local == {"file": "file", "folder": "folder", "git": "git+https://host/x.git@abc", "own": "editable"}
    assert "x.pth" in found.entries
    assert found.entries == tuple(sorted(found.entries))


def test_what_the_folders_tell_is_what_the_metadata_tells() -> None:
    told = {installed.canonical(item.name): item.version for item in metadata.distributions() if item.name}
    assert installed.scan().distributions == dict(sorted(told.items()))


def test_what_mlopskit_and_the_imports_need_is_needed_and_tools_are_not() -> None:
    recorded = installed.scan().distributions
    found = needs.needed(recorded, {"sqlalchemy", "json"})
    assert {"mlopskit", "pandas", "numpy", "six", "greenlet"} & recorded.keys() <= found
    assert not {"import-linter", "mypy", "pytest-xdist"} & found
    assert "import-linter" in needs.needed(recorded, {"importlinter"})


def test_where_it_cannot_be_known_everything_recorded_is_needed() -> None:
    recorded = installed.scan().distributions
    assert needs.needed({**recorded, "pandas": "0.1"}, set()) == set(recorded)
    assert needs.needed(recorded, {"no_such_module"}) == set(recorded)
    assert needs.needed({"pandas": "1", "else": "2"}, set()) == {"pandas", "else"}


def test_a_projects_imports_are_found_in_notebooks_modules_and_project_file(tmp_path: Path) -> None:
    toml = tiny.PROJECT + '\n[model]\ncandidates = ["hypothesis.Thing", "rows.csv"]\n'
    body = "import os.path, own\nfrom scipy.stats import norm\nfrom mlopskit import data"
    phases = tiny.make_project(tmp_path, {"data": body, "model": "not python ("}, toml=toml)
    (tmp_path / "own.py").write_text("def f():\n    import duckdb\n")
    assert needs.imports_of(tmp_path, phases) == {"os", "scipy", "duckdb", "hypothesis"}


def test_a_local_distribution_is_taken_from_where_it_is_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = {"url": "file:///here/it%20is", "dir_info": {"editable": True}}
    monkeypatch.setattr(installed, "direct_origin", lambda name: folder if name == "own" else {})
    local = {"own": "editable", "gone": "folder", "git": "git+https://host/x.git@abc"}
    said = fresh.recipe({"local": local, "distributions": {"own": "1", "gone": "2", "git": "3", "tool": "4"}}, {*local})
    assert said.arguments == ("git @ git+https://host/x.git@abc", "gone==2", "--editable", "/here/it is")
    assert said.notes == (
        "gone 2 came from a folder that is not known here; that version is taken from the index",
        "own 1 is taken from its folder, as it stands",
        "1 recorded distributions are left out: neither mlopskit nor the project needs them",
    )
    assert said.versions == {"git": "3"}


def test_a_manifest_that_lists_only_some_distributions_is_refused(tmp_path: Path) -> None:
    side = Side(tmp_path, {"environment": {"distributions": {"pandas": "3"}}})
    with pytest.raises(RunError, match=r"does not list everything .* without --env"):
        fresh.recipe_of(None, side)  # type: ignore[arg-type]


def test_what_was_not_to_be_installed_is_no_change(tmp_path: Path) -> None:
    environment = {"distributions": {"a": "1", "tool": "2"}, "fingerprint": {"installed": "x", "package": "p"}}
    side = Side(tmp_path, {"environment": environment, "phases": [{"name": "data", "key": "k"}]})
    found = fresh.restricted(side, fresh.recipe(environment, {"a"}))
    assert found.said["environment"] == {"distributions": {"a": "1"}, "fingerprint": {"package": "p"}}
    assert found.entries("phases") == [{"name": "data", "key": ""}]
    assert side.said["environment"] is environment


def test_a_program_that_is_given_up_is_ended(tmp_path: Path) -> None:
    from mlopskit.runner import programs

    code = "import time\nprint('here', flush=True)\ntime.sleep(60)"

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        programs.run([sys.executable, "-c", code], on_line=stop)
    done = programs.run([sys.executable, "-c", "import sys; print('a'); sys.exit('b\\nc')"])
    assert (done.returncode, done.said, programs.tail(done.said)) == (1, "b\nc", "b / c")
    assert programs.tail("a" * 201 + "\n \nno b") == "a" * 200 + "… / no b"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_command_leaves_nothing_that_its_installer_started() -> None:
    """The last one writes again unless it is ended; its end of the pipe says that it is gone, however that came."""
    last = "import time; print('begun', flush=True); time.sleep(8); print('went on', flush=True)"
    middle = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {last!r}], stdout=2)"
    first = (
        "import sys; from mlopskit.runner import programs\n"
        "programs.tempfile.TemporaryFile = lambda *_, **__: open(1, 'w', closefd=False)\n"
        f"programs.run([sys.executable, '-c', {middle!r}], whole=True)"
    )
    with subprocess.Popen([sys.executable, "-c", first], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "begun\n"
        command.kill()
        assert command.stdout.read() == ""
