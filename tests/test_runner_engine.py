"""Plain papermill, from the command line and from Python, with the kernels, truth and checks of `mlopskit run`."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from mlopskit.errors import NotebookError, ParameterError, RunError
from mlopskit.params import read_parameters
from mlopskit.runner import warm
from mlopskit.runner.overrides import combine
from mlopskit.runner.resident import is_cold, keeper
from tests import tiny

pytestmark = pytest.mark.notebooks

forking = pytest.mark.skipif(not warm.is_supported(), reason="kernels are not forked here")

SECRET = 'token: "secret" = "env:MLOPSKIT_TEST_TOKEN"  # to the store'
VALUE = "hunter2-hunter2"


def papermill(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", *arguments]
    env = {**os.environ, "PYTHONWARNINGS": "default", **environment}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def lay(folder: Path, body: str, parameters: str | None = None, *, name: str = "in.ipynb") -> Path:
    """A notebook of a parameters cell and the cell `body`."""
    cells = [tiny.code(parameters, name="parameters", tags=("parameters",))] if parameters is not None else []
    path = folder / name
    path.write_text(json.dumps(tiny.notebook([*cells, tiny.code(body, name="work")])), encoding="utf-8")
    return path


def shown(path: Path) -> str:
    """What the last cell showed as text."""
    outputs = strictly(path)["cells"][-1]["outputs"]
    return "".join("".join(item.get("text") or item.get("data", {}).get("text/plain", "")) for item in outputs)


def strictly(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module", autouse=True)
def server_of_this_file() -> Iterator[None]:
    """End the server that lives as long as this process: other tests look at the children that it has."""
    yield
    keeper.close()


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch, project: Path) -> Path:
    """The engine registered as its entry point registers it, in a project as working directory."""
    from papermill.engines import papermill_engines

    from mlopskit.runner.engine import Engine

    papermill_engines.register("mlopskit", Engine)
    return project


def execute(body: str, source: str | None = None, *, out: str = "out.ipynb", **options: Any) -> str:
    import papermill as pm

    made, done = lay(Path.cwd(), body, source, name=f"in-{out}"), Path.cwd() / out
    # Whole paths: papermill keeps the folder of relative ones in a place that its threads share.
    pm.execute_notebook(made, done, engine_name="mlopskit", progress_bar=False, **options)
    return shown(done)


def is_gone(pids: set[int], within: float = 180) -> bool:
    deadline = time.monotonic() + within
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_plain_papermill_inside_a_project_gives_the_result_of_a_run(ours: Path) -> None:
    import papermill as pm

    phases = tiny.make_project(ours / "p", {"one": "run.write('value', {'n': n, 'seed': seed})"})
    options = {"engine_name": "mlopskit", "progress_bar": False, "cwd": ours / "p"}
    pm.execute_notebook("p/notebooks/1_one.ipynb", "out.ipynb", parameters={"n": 4}, **options)
    by_hand = (ours / "p" / "runs" / "scratch" / "one" / "value.json").read_bytes()
    outcome = tiny.run(ours / "p", phases, "one.n=4")
    assert (outcome.folder / "one" / "value.json").read_bytes() == by_hand
    assert json.loads(by_hand) == {"n": 4, "seed": 0}


@forking
def test_command_forks_a_kernel_that_shows_figures_and_leaves_nothing_running(project: Path) -> None:
    body = "import os\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('', os.getppid())"
    source = "day: 'date' = '2000-01-01'\nitems: list[int] = []\ncode: str = ''\nx: float = 0.0\nlow: float = 0.0"
    lay(project, "(day, items, code, x, low)\n" + body, source)
    typed = ["day", "1974-01-31", "items", "1,2", "code", "007", "x", "nan", "low", "-inf"]
    pairs = [word for name, value in zip(typed[::2], typed[1::2], strict=True) for word in ("-p", name, value)]
    done = papermill("--engine", "mlopskit", "in.ipynb", "out.ipynb", *pairs, cwd=project)
    assert done.returncode == 0, done.stderr
    [*_, injected, work] = strictly(project / "out.ipynb")["cells"]
    assert any("image/png" in output.get("data", {}) for output in work["outputs"])
    assert "".join(injected["source"]).splitlines()[1:] == [
        'day = "1974-01-31"', "items = [1, 2]", 'code = "007"', "x = float('nan')", "low = float('-inf')"
    ]  # fmt: skip
    assert is_gone({int(shown(project / "out.ipynb").split()[-1])})


@forking
def test_two_notebooks_share_a_server_and_no_state(ours: Path) -> None:
    marks = "import os, json, numpy as np\njson.mark = 1; os.environ['MARK'] = '1'; os.chdir('/'); np.random.seed(1)\n"
    first = execute(marks + "print(os.getppid(), os.getpid(), np.random.rand())").split()
    asked = "print(os.getppid(), os.getpid(), np.random.rand(), hasattr(json, 'mark'), os.environ['MARK'], os.getcwd())"
    os.environ["MARK"] = "2"
    second = execute("import os, json, numpy as np\n" + asked, out="second.ipynb").split()
    del os.environ["MARK"]
    assert (first[0] == second[0], first[1] == second[1], first[2] == second[2]) == (True, False, False)
    assert int(first[0]) != os.getpid()
    assert second[3:] == ["False", "2", str(ours)]


@pytest.mark.parametrize("how", ["option", "environment", "shadowed"])
def test_a_cold_kernel_is_an_interpreter_of_its_own(ours: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "environment":
        monkeypatch.setenv("MLOPSKIT_COLD", "1")
    elif how == "shadowed":  # the server, which runs by then, has imported the installed module of that name
        execute("print()")
        Path("threadpoolctl.py").write_text("mine = 5", encoding="utf-8")
    said = execute(
        "import sys, threadpoolctl\nprint(sys.orig_argv[2], getattr(threadpoolctl, 'mine', 0))",
        **({"cold": True} if how == "option" else {}),
    )
    assert said.split() == ["ipykernel_launcher", "5" if how == "shadowed" else "0"]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_where_forking_is_not_safe_no_server_starts(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlopskit.cli import run

    monkeypatch.setattr(sys, "platform", platform)
    assert is_cold(option=False)
    with run._server(Path()) as server:
        assert server is None


@forking
def test_callers_with_an_event_loop_and_with_threads(ours: Path) -> None:
    async def inside() -> str:
        return execute("import os; print(os.getppid())", out="loop.ipynb")

    said = {"loop": asyncio.run(inside())}

    def threaded(name: str) -> None:
        said[name] = execute("import os; print(os.getppid())", out=f"{name}.ipynb")

    threads = [threading.Thread(target=threaded, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(said.values())) == 1
    assert len(said) == 3


@forking
def test_a_killed_server_is_replaced(ours: Path) -> None:
    before = int(execute("import os; print(os.getppid())"))
    held = keeper._kept["warm"]
    os.kill(before, signal.SIGKILL)
    held._process.wait()
    after = int(execute("import os; print(os.getppid())"))
    guard = keeper._kept["warm"]._process.pid  # the process that was started; the server is its child
    assert Path(f"/proc/{guard}/task/{guard}/children").read_text().split() == [str(after)]
    assert after != before


@forking
def test_nothing_is_left_of_a_killed_caller_that_has_no_main_guard_and_has_forked(project: Path) -> None:
    lay(project, "1", name="quick.ipynb")
    lay(project, "import os, time\nprint(os.getpid(), os.getppid(), flush=True)\ntime.sleep(600)")
    (project / "caller.py").write_text(
        "import os, time, papermill as pm\n"
        "options = {'engine_name': 'mlopskit', 'progress_bar': False}\n"
        "pm.execute_notebook('quick.ipynb', None, **options)\n"
        "child = os.fork()\n"
        "if child == 0:\n    time.sleep(600); os._exit(0)\n"
        "open('child', 'w').write(f'{child}\\n')\n"
        "pm.execute_notebook('in.ipynb', 'out.ipynb', stdout_file=open('said', 'w'), **options)\n",
        encoding="utf-8",
    )
    caller = subprocess.Popen([sys.executable, "caller.py"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    said, out = project / "said", project / "out.ipynb"
    while not (out.exists() and '"status": "running"' in out.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    caller.kill()
    caller.wait()
    kernel_and_server = {int(pid) for pid in said.read_text().split()}
    assert len(kernel_and_server) == 2
    assert is_gone(kernel_and_server)
    assert strictly(out)["cells"][-1]["metadata"]["papermill"]["status"] == "running"  # as far as anyone saw
    os.kill(int((project / "child").read_text()), signal.SIGKILL)  # it lived on, and kept nothing alive


def test_engine_needs_no_kernelspec_and_takes_this_python(ours: Path) -> None:
    made = tiny.notebook([tiny.code("import sys; print(sys.executable)", name="work")])
    made["metadata"]["kernelspec"]["name"] = "nosuch"
    import nbformat
    import papermill as pm

    done = pm.execute_notebook(nbformat.from_dict(made), None, engine_name="mlopskit", progress_bar=False)
    assert done.cells[-1].outputs[0].text == f"{sys.executable}\n"


SOURCE = 'n: int = 1  # 0..9: how many\nkind: str = "a"  # a | b: which\nrate: float = 0.5  # how much\n' + SECRET


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"ratte": "1"}, "unknown parameter ratte (did you mean rate?)"),
        ({"n": "four"}, "n = four is not a whole number"),
        ({"n": "12", "kind": "c"}, "  - kind = c is not one of a, b"),
        ({"token": VALUE}, "token = … must be a reference, `env:NAME` or `file:PATH`"),
        ({"token": "env:NO_SUCH_VARIABLE_HERE"}, "token: The secret env:NO_SUCH_VARIABLE_HERE is not set"),
    ],
)
def test_command_refuses_in_the_words_of_a_run(
    ours: Path, given: dict[str, str], wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from papermill import cli

    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    lay(ours, "1", SOURCE)
    pairs = [word for name, value in given.items() for word in ("-p", name, value)]
    with pytest.raises(ParameterError) as caught:
        cli.papermill(["--engine", "mlopskit", "in.ipynb", "out.ipynb", *pairs], standalone_mode=False)
    assert wrong in str(caught.value)
    assert VALUE not in str(caught.value)
    assert not Path("out.ipynb").exists()
    if "env:" not in str(given):
        with pytest.raises(ParameterError) as run:
            combine({"one": read_parameters(SOURCE)}, table={}, arguments=[f"one.{k}={v}" for k, v in given.items()])
        assert str(run.value).replace("one.", "") == str(caught.value)


@pytest.mark.parametrize(
    ("source", "given", "error", "message"),
    [
        (None, {"n": 5}, NotebookError, "has no cell tagged `parameters`"),
        ("import os", {}, ParameterError, "only `name: type = literal` may stand here"),
        (SOURCE, {"n": "5"}, ParameterError, "n = '5' is not a whole number but text"),
        (SOURCE, {"n": 12}, ParameterError, r"n = 12 is out of range; allowed is 0\.\.9"),
        (
            "n: int = 'a'\nm: nope = 1",
            {},
            ParameterError,
            r"^2 parameters are wrong:\n  - in-out\.ipynb: .*the default `n.*\n  - in-out\.ipynb: .*unknown type",
        ),
        (f"token: 'secret' = '{VALUE}'", {}, ParameterError, "the default `token = …` must be a reference"),
    ],
)
def test_python_is_refused_before_a_kernel_starts(
    ours: Path, source: str | None, given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        execute("1", source, parameters=given)
    assert not Path("out.ipynb").exists()


def test_a_notebook_in_another_language_is_refused(ours: Path) -> None:
    import papermill as pm

    made = tiny.notebook([tiny.code('println("a")', name="work")])
    made["metadata"]["kernelspec"] = {"name": "julia-1.10", "display_name": "Julia", "language": "julia"}
    Path("in.ipynb").write_text(json.dumps(made), encoding="utf-8")
    with pytest.raises(NotebookError, match=r"in\.ipynb is written in julia; only Python"):
        pm.execute_notebook("in.ipynb", "out.ipynb", engine_name="mlopskit", progress_bar=False)
    assert not Path("out.ipynb").exists()


def test_a_notebook_that_takes_no_parameters_runs_and_one_that_is_given_some_does_not(ours: Path) -> None:
    """As papermill has it: somebody else's notebook needs no tag as long as there is nothing to put in."""
    assert execute("print('ran')") == "ran\n"
    with pytest.raises(NotebookError, match="has no cell tagged `parameters`"):
        execute("print('ran')", out="given.ipynb", parameters={"n": 1})
    assert not Path("given.ipynb").exists()


def test_an_executed_notebook_that_was_given_nan_runs_again(ours: Path) -> None:
    import papermill as pm

    execute("print(x)", "x: float = 0.0", parameters={"x": float("nan")})
    assert strictly(Path("out.ipynb"))["metadata"]["papermill"]["parameters"] == {"x": "nan"}
    pm.execute_notebook("out.ipynb", "again.ipynb", engine_name="mlopskit", progress_bar=False)
    assert shown(Path("again.ipynb")) == "nan\n"


@pytest.mark.parametrize("cold", [False, True])
def test_a_secret_reaches_the_kernel_and_nothing_else(ours: Path, cold: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    heard = io.StringIO()
    body = "import os\nfrom mlopskit.secrets import reveal\nvalue = reveal(token)\n"
    body += "print(len(value), value[:9], end='')\n"
    body += "print(value[9:], 'MLOPSKIT_TEST_TOKEN' in os.environ, value.encode().hex())"
    given = {"token": "env:MLOPSKIT_TEST_TOKEN"}
    said = execute(body, SECRET, cold=cold, parameters=given, stdout_file=heard)
    assert said == heard.getvalue() == "15 [secret token] False [secret token]\n"
    assert VALUE not in Path("out.ipynb").read_text(encoding="utf-8")


def test_the_value_of_a_secret_in_another_parameter_is_refused(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    given = {"token": "env:MLOPSKIT_TEST_TOKEN", "url": f"https://me:{VALUE}@host"}
    with pytest.raises(
        ParameterError, match=r"^url holds the value of the secret token, and parameters are saved"
    ) as told:
        execute("print(url)", f"{SECRET}\nurl: str = 'none'", parameters=given)
    assert VALUE not in str(told.value)
    assert not Path("out.ipynb").exists()


@forking
def test_a_server_that_could_see_what_a_secret_comes_from_forks_no_kernel_that_has_it(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.close()
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    started = "import sys\nprint(*sys.orig_argv[2:3])"
    given: dict[str, Any] = {"parameters": {"token": "env:MLOPSKIT_TEST_TOKEN"}}
    assert execute(started, SECRET, **given).strip() == "mlopskit.runner.forkserver"
    keeper.close()
    assert execute(started).strip() == "mlopskit.runner.forkserver"
    assert execute(started, SECRET, **given).strip() == "mlopskit.runner.coldstart"
    keeper.close()


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("kind", ["env", "file"])
def test_a_reference_that_no_parameter_holds_is_refused(
    ours: Path, cold: bool, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value would be known to the kernel only, and could not be redacted."""
    from papermill.exceptions import PapermillExecutionError

    monkeypatch.setenv("MLOPSKIT_TEST_OTHER", VALUE)
    Path("key").write_text(VALUE, encoding="utf-8")
    reference = {"env": "env:MLOPSKIT_TEST_OTHER", "file": f"file:{ours / 'key'}"}[kind]
    with pytest.raises(PapermillExecutionError, match="was not given that secret; it was given none") as caught:
        execute(f"from mlopskit.secrets import reveal\nprint(reveal({reference!r}))", cold=cold)
    assert VALUE not in str(caught.value)
    assert VALUE not in Path("out.ipynb").read_text(encoding="utf-8")


def test_a_secret_in_an_artefact_is_refused(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)
    body = "from mlopskit import open_run\nfrom mlopskit.secrets import reveal\nrun = open_run('one')\n"
    with pytest.raises(RunError, match=r"it\.json holds the secret token"):
        execute(body + "run.write('it', {'it': reveal(token)})", SECRET)


def test_large_outputs_go_beside_the_notebook_and_to_the_log_whole(ours: Path) -> None:
    heard = io.StringIO()
    execute("for _ in range(3):\n    print('x' * 600_000, flush=True)", out="größe.ipynb", stdout_file=heard)
    assert len(Path("größe.ipynb").read_text(encoding="utf-8")) < 10_000
    assert 'href="outputs/größe-work-1.txt"' in Path("größe.ipynb").read_text(encoding="utf-8").replace('\\"', '"')
    assert Path("outputs/größe-work-1.txt").read_text() == heard.getvalue() == ("x" * 600_000 + "\n") * 3


def test_a_killed_kernel_is_told_as_killed(ours: Path) -> None:
    import papermill as pm

    body = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    Path("in.ipynb").write_text(json.dumps(tiny.phase_notebook(body, phase="one")), encoding="utf-8")
    options = {"engine_name": "mlopskit", "progress_bar": False, "parameters": {"n": 2}}
    with pytest.raises(DeadKernelError, match=r"ended by SIGKILL.* Code cell 3 was running, under “Work”"):
        pm.execute_notebook("in.ipynb", "out.ipynb", **options)
    cells = [cell for cell in strictly(Path("out.ipynb"))["cells"] if cell["cell_type"] == "code"]
    states = [cell["metadata"]["papermill"]["status"] for cell in cells]
    assert states == ["completed", "completed", "completed", "failed", "pending"]
    assert cells[3]["outputs"][0]["ename"] == "KernelDied"


def test_papermills_time_limit_is_one_of_each_cell(ours: Path) -> None:
    with pytest.raises(CellTimeoutError):
        execute("import time; time.sleep(600)", execution_timeout=1)
    assert strictly(Path("out.ipynb"))["cells"][-1]["metadata"]["papermill"]["status"] == "failed"


def test_entry_point_module_imports_no_papermill(tmp_path: Path) -> None:
    code = "import sys, mlopskit.runner.engine; sys.exit('papermill' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
