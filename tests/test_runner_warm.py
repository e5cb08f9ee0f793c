"""Warm kernels: the same kernel as a cold one, nothing passed from one to the next, nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mlopskit
from mlopskit.errors import RunError
from mlopskit.runner import importing, warm
from mlopskit.runs import written
from tests import tiny

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.xdist_group("warm"),
    pytest.mark.skipif(not warm.is_supported(), reason="kernels are forked on Linux only"),
]


IMPORTS = [
    *("ipykernel.kernelapp", "numpy", "matplotlib.backends.backend_agg", "pandas", "matplotlib.pyplot"),
    *("sklearn.linear_model", "threadpoolctl"),
]
STATE = """
import glob, os, random, sys
import matplotlib, numpy as np, sklearn.linear_model
from threadpoolctl import threadpool_info
run.write("state", {
    "cwd": os.getcwd(), "hash": hash("a"), "backend": matplotlib.get_backend().lower(),
    "dpi": matplotlib.rcParams["figure.dpi"], "variable": os.environ.get("LEFT_BEHIND"), "path": sys.path,
    "module": "colorsys" in sys.modules, "printed": np.get_printoptions()["precision"],
    "files": [name for name in map(os.path.realpath, glob.glob("/proc/self/fd/*")) if name.endswith("mlops.toml")],
    "threads": sorted({(lib["user_api"], lib["num_threads"]) for lib in threadpool_info()}),
})
run.write("drawn", {"numpy": np.random.rand(), "python": random.random()}, volatile=True)
"""
SPOIL = """
import colorsys, os, random
import matplotlib, numpy as np
from threadpoolctl import threadpool_limits
kept_open = open("mlops.toml"); os.environ["LEFT_BEHIND"] = "yes"; os.chdir("/"); random.seed(1); np.random.seed(1)
matplotlib.rcParams["figure.dpi"] = 33; np.set_printoptions(precision=2); threadpool_limits(1)
ballast = np.ones(30_000_000)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[warm.ForkServer]:
    with warm.ForkServer([f"import {name}" for name in IMPORTS]) as started:
        yield started


def artefact(outcome: Any, phase: str, name: str) -> Any:
    return json.loads((outcome.folder / phase / f"{name}.json").read_text())


def statuses(outcome: Any) -> list[str]:
    return [phase["status"] for phase in tiny.manifest_of(outcome)["phases"]]


def test_a_warm_kernel_finds_what_a_cold_one_finds(project: Path, server: warm.ForkServer) -> None:
    phases = tiny.make_project(project / "p", {"one": STATE})
    forked, cold = tiny.run(project / "p", phases, server=server), tiny.run(project / "p", phases)
    assert artefact(forked, "one", "state") == artefact(cold, "one", "state")


def test_nothing_passes_from_one_kernel_to_the_next(project: Path, server: warm.ForkServer) -> None:
    phases = tiny.make_project(project / "p", {"before": STATE, "spoil": SPOIL, "after": STATE})
    outcome = tiny.run(project / "p", phases, server=server)
    assert artefact(outcome, "before", "state") == artefact(outcome, "after", "state")


def test_two_kernels_draw_different_random_numbers(project: Path, server: warm.ForkServer) -> None:
    phases = tiny.make_project(project / "p", {"one": STATE, "two": STATE})
    outcome = tiny.run(project / "p", phases, server=server)
    one, two = artefact(outcome, "one", "drawn"), artefact(outcome, "two", "drawn")
    assert one["numpy"] != two["numpy"]
    assert one["python"] != two["python"]


def test_figures_appear_in_the_notebook(project: Path, server: warm.ForkServer) -> None:
    phases = tiny.make_project(project / "p", {"one": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"})
    outcome = tiny.run(project / "p", phases, server=server)
    notebook = json.loads((outcome.folder / "one" / "notebook.ipynb").read_text())
    shown = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)


def test_settings_for_figures_that_lie_in_the_project_hold(project: Path, server: warm.ForkServer) -> None:
    phases = tiny.make_project(project / "p", {"one": STATE})
    (project / "p" / "matplotlibrc").write_text("figure.dpi: 41\n", encoding="utf-8")
    outcome = tiny.run(project / "p", phases, server=server)
    assert artefact(outcome, "one", "state")["dpi"] == 41


def test_a_pool_of_processes_works_in_a_cell(project: Path, server: warm.ForkServer) -> None:
    body = "import multiprocessing\nwith multiprocessing.Pool(2) as pool: run.write('it', pool.map(abs, [-1, 2]))"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), server=server)
    assert artefact(outcome, "one", "it") == [1, 2]


POOLS = (
    "import numpy, sklearn.linear_model, threadpoolctl as t\n"
    "pools = sorted([lib['internal_api'], lib['num_threads']] for lib in t.threadpool_info())\n"
)


@pytest.mark.parametrize(
    "limits",
    [{"OPENBLAS": "1", "OMP": "1"}, {"OPENBLAS": "1", "MKL": "2"}, {"OPENBLAS": "8"}, {"OMP": "1"}, {"OMP": "0"}],
    ids=str,
)
def test_thread_limits_of_the_environment_hold_as_in_a_new_process(
    limits: dict[str, str], project: Path, server: warm.ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in limits.items():
        monkeypatch.setenv(f"{name}_NUM_THREADS", limit)
    new = subprocess.check_output([sys.executable, "-c", f"{POOLS}import json; print(json.dumps(pools))"])
    body = f"{POOLS}run.write('pools', pools)"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), server=server)
    assert artefact(outcome, "one", "pools") == json.loads(new)


@pytest.mark.parametrize("name", ["TZ", "LC_ALL", "NPY_DISABLE_CPU_FEATURES", "LD_PRELOAD", "BLIS_NUM_THREADS"])
def test_a_variable_that_is_read_when_a_library_is_loaded_is_the_servers(name: str, server: warm.ForkServer) -> None:
    with Path(os.devnull).open("wb") as null, pytest.raises(warm.UnfitError, match=name):
        server.fork(
            ["ipykernel_launcher"], environment={**os.environ, name: "x"}, cwd="/", output=null.fileno(),
            errors=null.fileno(), needs=[f"import {module}" for module in IMPORTS],
        )  # fmt: skip


@pytest.mark.parametrize("anew", [True, False])
def test_an_environment_of_any_size_reaches_the_kernel(anew: bool, server: warm.ForkServer) -> None:
    large = {**os.environ, **{f"LARGE_{number}": "x" * 100_000 for number in range(12)}}
    command = ["/bin/sh", "-c", "exit ${#LARGE_11}"] if anew else ["ipykernel_launcher", "--version"]
    with Path(os.devnull).open("wb") as null:
        child = server.fork(command, environment=large, cwd="/", output=null.fileno(), errors=null.fileno(), anew=anew)
    assert child.wait(timeout=60) == (100_000 % 256 if anew else 0)


def test_a_server_that_still_imports_fails_no_run_and_one_that_is_stuck_does(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "_SECONDS_TO_FORK", 5)
    sleeps = "import time; time.sleep(99)"
    with warm.ForkServer([sleeps]) as slow, Path(os.devnull).open("wb") as null:
        asked = {"output": null.fileno(), "errors": null.fileno(), "environment": dict(os.environ), "cwd": "/"}
        with pytest.raises(warm.UnfitError, match=r"`import time; time.sleep\(99\)` is still"):
            slow.fork(["ipykernel_launcher"], needs=[sleeps], **asked)
    monkeypatch.setattr(warm, "_SECONDS_TO_FORK", 0.5)
    with warm.ForkServer() as stuck, Path(os.devnull).open("wb") as null:
        stuck.fork(["/bin/true"], anew=True, **asked | {"output": null.fileno(), "errors": null.fileno()}).wait(60)
        (server,) = children(stuck._process.pid)
        os.kill(server, signal.SIGSTOP)
        with pytest.raises(RunError, match="does not answer") as raised:
            stuck.fork(["ipykernel_launcher"], **asked | {"output": null.fileno(), "errors": null.fileno()})
        os.kill(server, signal.SIGCONT)
    assert not isinstance(raised.value, warm.UnfitError)


SETS = [
    "load_dotenv()", "%dotenv", "%env A=1", "os.environ |= {}", "os.environ['A'] = ''", "os.environ.pop('A')",
    "os.environ.clear()", "os.environ.__setitem__('A', '')", "del os.environ['A']", "env = os.environ",
    "from os import environ as env", "os.environ[\n    'A'\n] = ''", "os.environ[names['A']] += ''", "Env.read_env()",
    "os.environ.__delitem__('A')", "os.unsetenv('A')", "os.environb[b'A'] = b''",
]  # fmt: skip


HEARS = [
    "warnings.simplefilter('error')", "warnings.filterwarnings(\n    action='always')", "simplefilter(action)",
    "warnings.resetwarnings()", "with catch_warnings(): filterwarnings(\"default\", category=Old)",
]  # fmt: skip


@pytest.mark.parametrize("cell", [*SETS, *HEARS])
def test_cell_that_does_something_for_the_imports_behind_it_is_known(cell: str) -> None:
    assert importing.prepares_imports([cell, "import numpy"])
    assert not importing.prepares_imports(["import numpy", cell])


@pytest.mark.parametrize(
    "cell",
    [
        "os.environ['A'] == ''", "env = os.environ.copy()", "run(env=os.environ, check=True)", "os.getenv('A')",
        "warnings.filterwarnings('ignore')", "simplefilter(action=\"ignore\")", "# warnings.simplefilter('error')",
    ],
)  # fmt: skip
def test_cell_that_does_nothing_for_imports_is_forked(cell: str) -> None:
    assert not importing.prepares_imports([cell, "import numpy"])


@pytest.mark.parametrize(
    ("cells", "ahead"),
    [
        (["!pip install a", "import json"], []),
        (["import csv", "%pip install a\nimport json", "import xml"], ["import csv"]),
        (["!{sys.executable} -m pip install \\\n  a", "import json"], []),
        (["subprocess.run([sys.executable, '-m', 'pip', 'install', 'a'])", "import json"], []),
        (["%conda install a", "import json"], []),
        (["!mamba install -y a", "import json"], []),
        (["%%bash\nuv pip install a", "import json"], []),
        (["!uv add a", "import json"], []),
        (["# !pip install a\nimport csv", "import json"], ["import csv", "import json"]),
        (["%matplotlib inline\nimport csv\n!ls \\\n -l\nimport json"], ["import csv", "import json"]),
        (["import csv\nx = !ls\ny, z = %who_ls\nif x:\n    %time f()\nimport json"], ["import csv", "import json"]),
        (["%%bash\nimport csv", "%%time\nimport json", "%%capture said\nimport xml"], ["import json", "import xml"]),
        (["import csv\nx = ('%s'\n    % 5)"], ["import csv"]),
    ],
)
def test_cells_with_lines_that_are_not_python_are_read_as_ipython_does(
    cells: list[str], ahead: list[str], project: Path
) -> None:
    assert importing.imports_in(cells, project) == ahead


@pytest.mark.parametrize("setting", ['os.environ["OMP_NUM_THREADS"] = "1"', 'os.environ |= {"OMP_NUM_THREADS": "1"}'])
def test_thread_limits_that_a_cell_sets_before_its_imports_hold(
    project: Path, server: warm.ForkServer, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    body = f"import os\n{setting}\n{STATE}"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), server=server)
    assert ["openmp", 1] in artefact(outcome, "one", "state")["threads"]


def test_module_of_a_relative_path_is_found_where_a_cold_kernel_finds_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", "../lent", os.environ.get("PYTHONPATH", "")]))
    phases = tiny.make_project(
        project / "p", {"one": "import sys\nimport at_home, next_door\nrun.write('path', sys.path)"}
    )
    for module in ("p/src/at_home.py", "lent/next_door.py"):
        (project / module).parent.mkdir()
        (project / module).touch()
    with warm.ForkServer() as started:
        found = [tiny.run(project / "p", phases, server=way) for way in (started, None)]
    assert [statuses(outcome) for outcome in found] == [["done"], ["done"]]
    assert artefact(found[0], "one", "path") == artefact(found[1], "one", "path")


def test_what_a_cell_imports_after_changing_the_path_is_not_imported_ahead(project: Path) -> None:
    body = "import sys\nsys.path.insert(0, 'src')\nimport profile"
    made = tiny.phase_notebook(body, phase="one")
    made["cells"].append(tiny.code("import calendar", name="later"))
    [phase] = tiny.make_project(project / "p", {"one": made})
    assert importing.imports_of(phase.path(project / "p"), project / "p") == ["from mlopskit import open_run"]


def test_a_module_that_is_not_installed_is_not_imported_ahead(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "lent").mkdir()
    (project / "lent/under_development.py").touch()
    monkeypatch.syspath_prepend(project / "lent")
    body = "import under_development\nimport json, sys\nimport xml.dom\nimport google.nothing"
    [phase] = tiny.make_project(project / "p", {"one": body})
    ahead = ["from mlopskit import open_run", "import json, sys", "import xml.dom"]
    assert importing.imports_of(phase.path(project / "p"), project / "p")[:3] == ahead


def test_linear_algebra_and_threads_work_after_the_fork(project: Path, server: warm.ForkServer) -> None:
    body = (
        "import numpy as np\nfrom sklearn.ensemble import HistGradientBoostingClassifier\n"
        "X = np.random.default_rng(0).random((2000, 20))\n"
        "run.write('it', [float((X @ X.T).sum()), HistGradientBoostingClassifier(max_iter=5, random_state=0)"
        ".fit(X, X[:, 0] > 0.5).predict_proba(X).sum()])"
    )
    phases = tiny.make_project(project / "p", {"one": body})
    forked, cold = tiny.run(project / "p", phases, server=server), tiny.run(project / "p", phases)
    assert artefact(forked, "one", "it") == pytest.approx(artefact(cold, "one", "it"))


def test_a_killed_kernel_is_told_with_its_signal_and_peak_memory(project: Path, server: warm.ForkServer) -> None:
    bodies = {"one": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "two": "1"}
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", bodies), server=server)
    assert statuses(outcome) == ["killed", "never-ran"]
    error = tiny.manifest_of(outcome)["phases"][0]["error"]
    assert error["signal"] == "SIGKILL"
    assert "Its memory peaked at" in error["message"]


def test_a_module_of_the_project_is_not_imported_ahead(project: Path) -> None:
    (project / "mine.py").write_text("value = 1")
    (project / "pandas").mkdir()
    body = "import mine\nimport pandas\nfrom sklearn import base\nfrom . import x"
    [phase] = tiny.make_project(project / "p", {"one": body})
    assert importing.imports_of(phase.path(project / "p"), project) == [
        "from mlopskit import open_run",
        "from sklearn import base",
    ]


def test_in_a_checkout_of_the_package_its_own_folder_is_imported_ahead(tmp_path: Path) -> None:
    (tmp_path / "mlopskit").symlink_to(Path(mlopskit.__file__).parent)
    [phase] = tiny.make_project(tmp_path, {"one": "from mlopskit import data\nimport pandas"})
    ahead = ["from mlopskit import open_run", "from mlopskit import data", "import pandas"]
    assert importing.imports_of(phase.path(tmp_path), tmp_path) == ahead
    (tmp_path / "mlopskit").unlink()
    (tmp_path / "mlopskit").mkdir()  # another package of that name
    assert importing.imports_of(phase.path(tmp_path), tmp_path) == ["import pandas"]


def test_first_kernel_does_not_wait_for_what_later_ones_need(project: Path) -> None:
    flag = project / "flag"  # the second statement ends once there is a first kernel
    waits = f"import os, time\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.01)"
    with warm.ForkServer(["import json", waits]) as started, Path(os.devnull).open("wb") as null:
        asked = {"output": null.fileno(), "errors": null.fileno(), "environment": dict(os.environ), "cwd": "/"}
        first = started.fork(["ipykernel_launcher"], needs=["import json"], **asked)
        flag.touch()
        assert started.fork(["ipykernel_launcher"], needs=[waits], **asked).pid != first.pid


def test_a_statement_that_fails_is_left_to_the_cell_that_needs_it(project: Path) -> None:
    with warm.ForkServer(["import nothing_of_that_name", "import json"]) as started:
        outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "1"}), server=started)
    assert statuses(outcome) == ["done"]


def children(pid: int) -> set[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    found = {int(child) for child in path.read_text().split()} if path.exists() else set()
    return found | {below for child in found for below in children(child)}


def test_nothing_is_left_when_the_runner_is_killed(project: Path) -> None:
    tiny.make_project(project / "p", {"one": "import time; time.sleep(600)"})
    code = (
        "import runpy, sys, time; from pathlib import Path; from mlopskit.runner import warm\n"
        "tiny = runpy.run_path(sys.argv[1]); folder = Path(sys.argv[2])\n"
        "from mlopskit.runner import Phase\n"
        "tiny['run'](folder, (Phase('one', 'notebooks/1_one.ipynb'),), server=warm.ForkServer(['import numpy']))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).with_name("tiny.py")), str(project / "p")]
    runner = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while not list((project / "p").glob("runs/*/one/notebook.ipynb")) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = children(runner.pid)
    assert len(left) >= 2, "a server and a kernel"
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []


def test_a_kernel_dies_with_its_server(project: Path) -> None:
    started = warm.ForkServer(["import numpy"])
    with Path(os.devnull).open("wb") as null:
        arguments = ["kernel", "-f", str(project / "connection.json"), "--log-level=50"]
        options = {"environment": dict(os.environ), "cwd": str(project)}
        child = started.fork(arguments, output=null.fileno(), errors=null.fileno(), **options)
    deadline = time.monotonic() + 180
    while not (project / "connection.json").exists() and time.monotonic() < deadline:  # a kernel, not yet on its way
        time.sleep(0.01)
    started._process.kill()
    assert child.wait(timeout=180) == -signal.SIGKILL
    started.close()


def test_the_command_line_gives_equal_artefacts_warm_and_cold(project: Path) -> None:
    """Two phases are enough: the others go the same way, and the whole lifecycle is run warm elsewhere."""
    made = [sys.executable, "-m", "mlopskit"]
    subprocess.run([*made, "new", "demo", "--example", "mortgage"], check=True, capture_output=True)
    found = []
    for arguments in (["run", "--to", "data"], ["run", "--to", "data", "--cold"]):
        subprocess.run([*made, *arguments], cwd="demo", check=True, capture_output=True)
        newest = max(Path("demo/runs").glob("2*"), key=lambda folder: folder.stat().st_mtime)
        records = [record for phase in ("scope", "data") for record in written(newest / phase).values()]
        found.append({record.name: record.digest for record in records if not record.volatile})
    assert found[0] == found[1]
    assert len(found[0]) > 20
