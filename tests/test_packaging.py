"""What is installed is what is declared, for pip and conda users alike, and the wheel carries what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONDA_NAMES = {"bleach-with-css": "bleach", "matplotlib-base": "matplotlib", "python-duckdb": "duckdb"}
"""Where conda-forge calls a distribution by another name."""


def declared(repo: Path) -> dict[str, str]:
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    found = {canonicalize_name(item.name): str(item.specifier) for item in map(Requirement, project["dependencies"])}
    return found | {"python": str(Requirement(f"python{project['requires-python']}").specifier)}


def test_conda_users_get_the_names_and_bounds_of_pyproject(repo: Path) -> None:
    listed = yaml.safe_load((repo / "environment.yml").read_text())["dependencies"]
    packages = [Requirement(item) for item in listed if isinstance(item, str) and item != "pip"]
    conda = {canonicalize_name(CONDA_NAMES.get(item.name, item.name)): str(item.specifier) for item in packages}
    assert conda == declared(repo)


def test_every_dependency_is_locked_with_a_hash_and_within_its_bounds(repo: Path) -> None:
    text = (repo / "requirements.lock").read_text()
    entries = re.findall(
        r"^([a-z0-9-]+)==(\S+)((?: ;[^\n]*)?) \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M
    )
    assert len(entries) == len(re.findall(r"^\S+==", text, re.M)), "an entry without a hash"
    assert "://" not in text
    locked: dict[str, list[str]] = {}
    for name, version, *_ in entries:
        locked.setdefault(name, []).append(version)
    for name, bounds in declared(repo).items():
        if name != "python":
            assert all(Requirement(f"{name}{bounds}").specifier.contains(version) for version in locked[name]), name


def test_the_versions_agree(repo: Path) -> None:
    import mlopskit

    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    assert project["version"] == mlopskit.__version__
    assert f"## {mlopskit.__version__}" in (repo / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repo = Path(__file__).resolve().parents[1]
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(repo),
    ]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_notebooks_templates_and_data(wheel: Path, repo: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("notebooks", "templates"):
        kept = [
            path for path in (repo / folder).rglob("*") if path.is_file() and ".ipynb_checkpoints" not in path.parts
        ]
        assert {f"mlopskit/_share/{path.relative_to(repo).as_posix()}" for path in kept} <= names
    assert {f"mlopskit/datasets/{name}.parquet" for name in ("income", "mortgage", "digits")} <= names
    assert not [name for name in names if name.startswith(("tests/", "runs/"))]
    assert wheel.stat().st_size < 3_000_000


@pytest.mark.xdist_group("together")
def test_tests_that_share_a_server_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """With some versions of pytest and xdist they do not, and nothing says so but the time that it takes."""
    grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@together") == grouped
