"""Imported ahead or under a cell, a library sees the same kernel: its shell, its output, its surroundings."""

from __future__ import annotations

import json
import os
import random
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import descendants, plan, warm
from tests import tiny

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.xdist_group("warm"),
    pytest.mark.skipif(not warm.is_supported(), reason="kernels are forked on Linux only"),
]

LAY = runpy.run_path(str(Path(__file__).with_name("test_explore_running.py")))["lay"]
LOOKS = """
import builtins, logging, os, sys
import ipykernel.iostream, ipykernel.zmqshell, matplotlib, multiprocessing, numpy as np
from IPython import get_ipython
shell = get_ipython()
seen = {
    "type": type(shell).__name__, "class": shell.__class__.__name__, "app": "IPKernelApp" in shell.config,
    "is": isinstance(shell, ipykernel.zmqshell.ZMQInteractiveShell), "kernel": shell.kernel is not None,
    "out": isinstance(sys.stdout, ipykernel.iostream.OutStream), "terminal": sys.stderr.isatty(),
    "flag": builtins.__IPYTHON__, "display": callable(builtins.display), "cwd": os.getcwd(),
    "environment": {name: os.environ.get(name) for name in ("TERM", "FORCE_COLOR", "CLICOLOR", "PAGER", "GIT_PAGER")},
    "parent": "JPY_PARENT_PID" in os.environ, "program": sys.argv[0],
    "file": hasattr(sys.modules["__main__"], "__file__"), "backend": matplotlib.rcParams["backend"],
}
matplotlib.use("Agg")
matplotlib.rcParams["font.size"] = 33
handler, out, generator, seeded = logging.StreamHandler(), sys.stdout, np.random.default_rng(), np.random.default_rng(5)
"""
USES = """
import looks
import logging, matplotlib, multiprocessing.process, sys
run.write("seen", {
    **looks.seen, "place": multiprocessing.process.ORIGINAL_DIR, "drawn": looks.seeded.random(),
    "figures": [matplotlib.get_backend(), matplotlib.rcParams["font.size"], matplotlib.rcParams["figure.dpi"]],
    "arguments": [item for item in sys.argv if not item.endswith(".json")],
})
run.write("drawn", [looks.generator.random(), multiprocessing.current_process().authkey.hex()], volatile=True)
print("to the stream of then", file=looks.out)
logging.getLogger("looks").addHandler(looks.handler)
logging.getLogger("looks").warning("logged")
print(looks.shell.kernel.shell is get_ipython(), looks.shell.run_line_magic("pwd", "") == looks.seen["cwd"])
"""


@pytest.fixture
def installed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Install a module, and return the statement that imports it."""
    folder = project.parent / "site-packages"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])

    def made(name: str, source: str) -> str:
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        return f"import {name}"

    return made


def shown(outcome: Any, phase: str) -> list[str]:
    """What the cell of a phase shows: `stream: text`."""
    notebook = json.loads((outcome.folder / phase / "notebook.ipynb").read_text())
    (cell,) = (cell for cell in notebook["cells"] if cell["id"] == "work")
    return sorted(f"{item['name']}: {''.join(item['text'])}" for item in cell["outputs"])


def artefact(outcome: Any, phase: str, name: str) -> Any:
    return json.loads((outcome.folder / phase / f"{name}.json").read_text())


def statuses(outcome: Any) -> list[str]:
    return [phase["status"] for phase in tiny.manifest_of(outcome)["phases"]]


def noting(remarks: list[str]) -> Callable[[Any], None]:
    return lambda event: remarks.append(event["text"]) if event["event"] == "note" else None


def test_a_library_imported_ahead_has_seen_what_it_sees_under_a_cell(
    project: Path, installed: Callable[[str, str], str]
) -> None:
    statement = installed("looks", LOOKS)
    phases = tiny.make_project(project / "p", {"one": USES, "two": USES})
    (project / "p/matplotlibrc").write_text("font.size: 7\nfigure.dpi: 41\n", encoding="utf-8")
    cold = tiny.run(project / "p", phases[:1])
    remarks: list[str] = []
    with warm.ForkServer(["import ipykernel.kernelapp", statement], project / "p") as server:
        forked = tiny.run(project / "p", phases, server=server, listener=noting(remarks))
    assert remarks == []
    assert artefact(forked, "one", "seen") == artefact(cold, "one", "seen")
    assert shown(forked, "one") == shown(cold, "one")
    assert "stdout: to the stream of then\nTrue True\n" in shown(forked, "one")
    one, two = (artefact(forked, phase, "drawn") for phase in ("one", "two"))
    assert not set(one) & set(two), "forks share neither a generator's state nor a key"


@pytest.mark.parametrize(
    ("source", "said", "reason"),
    [
        ("print('I am here')", ["stdout: I am here\n"], "prints something"),
        ("import os; os.write(2, b'from C')", None, "prints something"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(99,), daemon=True).start()", [], "thread"),
        ("import random; random.seed(3)", [], "random numbers"),
        ("import numpy as np; np.random.random()", [], "random numbers"),
        ("from IPython import get_ipython; get_ipython().events.register('pre_run_cell', print)", [], "`events`"),
    ],
    ids=["print", "from-c", "thread", "seed", "draw", "shell"],
)
def test_a_library_that_needs_a_kernel_while_it_is_imported_gets_one(
    source: str, said: list[str] | None, reason: str, project: Path, installed: Callable[[str, str], str]
) -> None:
    remarks: list[str] = []
    phases = tiny.make_project(project / "p", {"one": "import needy", "two": "import needy"})
    statement = installed("needy", source)
    with warm.ForkServer(["import ipykernel.kernelapp", statement]) as server:
        outcome = tiny.run(project / "p", phases, server=server, listener=noting(remarks))
    assert statuses(outcome) == ["done", "done"]
    if said is not None:  # what comes past Python, ipykernel shows under a cell or the next
        assert shown(outcome, "one") == shown(outcome, "two") == said
    assert len(remarks) == 2
    assert all("`import needy`" in remark and reason in remark for remark in remarks)


AHEAD = """
import json, os, random, sys, tempfile
from pathlib import Path
from mlopskit.runner import forkserver, standin
stand_in, found, state = standin.take_place(), Path(sys.argv[1]), random.getstate()
for source in json.loads(sys.argv[2]):
    if (child := os.fork()) == 0:
        random.setstate(state)  # a fork has another
        preload = forkserver.Preload([source])
        preload.step(stand_in)
        with found.open("a") as file:
            print(preload.unfit_for({"anew": False, "env": dict(os.environ)}), file=file)
        os._exit(0)
    os.waitpid(child, 0)
"""
LEAVES = {
    "import numpy; numpy.random.set_bit_generator(numpy.random.PCG64(5))": "random numbers that all share",
    "import random; random.getstate = None": "what has happened could not be found out",
    "import sys; sys.kept = open('/dev/zero')": "leaves a file open",
    "import sys, subprocess; sys.kept = subprocess.Popen(['sleep', '9'])": "leaves a process running",
    "import sys, tempfile; sys.kept = tempfile.TemporaryDirectory()": "leaves a temporary file or folder",
    "import os, tempfile; os.close(tempfile.mkstemp()[0])": "leaves a temporary file or folder",
    "import sys; sys.stdout = open(0, closefd=False)": "replaces sys.stdout",
    "import sys; sys.stderr = None": "replaces sys.stderr",
    "import sys; sys.excepthook = print": "replaces sys.excepthook",
    "import sys; sys.displayhook = print": "replaces sys.displayhook",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)": "handles SIGTERM",
    "import signal; signal.signal(signal.SIGINT, print)": "handles SIGINT",
    "import logging; logging.basicConfig()": "configures the log of all",
    "import logging; logging.getLogger().setLevel(10)": "configures the log of all",
    "import logging; logging.disable()": "configures the log of all",
    "import logging; logging.getLogger('own').setLevel(10)": "",
    "import os; os.chdir('/')": "changes the working directory",
    "import random, sys, numpy; sys.kept = numpy.random.default_rng(); sys.kept.random()": "without a seed",
    "import sys; from numpy.random import SFC64; sys.kept = SFC64(); sys.kept.state = SFC64(7).state": "without a seed",
    "import random, sys; sys.kept = random.Random(); sys.kept.setstate(random.Random(3).getstate())": "",
    "import sys, numpy; sys.kept = numpy.random.default_rng(5); sys.kept.random()": "",
    "import sys, numpy; sys.kept = numpy.random.RandomState(), numpy.random.SeedSequence(), numpy.random.SFC64()": "",
    "import tempfile, subprocess; tempfile.TemporaryFile().close(); subprocess.run(['true'])": "",
}


def test_what_a_library_leaves_behind_that_forks_would_share_is_noticed(project: Path) -> None:
    found, environment = project / "found", {**os.environ, descendants.VARIABLE: descendants.BLANK}
    subprocess.run([sys.executable, "-c", AHEAD, str(found), json.dumps([*LEAVES])], check=True, env=environment)
    said = found.read_text().splitlines()
    missed = [pair for pair in zip(said, LEAVES.items(), strict=True) if pair[1][1] not in pair[0]]
    assert missed == []
    assert [bool(line) for line in said] == [bool(words) for words in LEAVES.values()], said


def test_a_warning_for_whoever_imports_is_shown_under_the_cell(
    project: Path, installed: Callable[[str, str], str]
) -> None:
    statement = installed("old", "import warnings; warnings.warn('old', DeprecationWarning, stacklevel=2)")
    with warm.ForkServer(["import ipykernel.kernelapp", statement]) as server:
        outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "import old"}), server=server)
    (warning,) = shown(outcome, "one")
    assert "DeprecationWarning: old" in warning
    assert "import old" in warning


MAKES = """
import random, numpy as np
anew = [
    random.Random(), np.random.default_rng(), np.random.RandomState(), np.random.Generator(np.random.SFC64()),
    np.random.Generator(np.random.MT19937(np.random.SeedSequence().spawn(1)[0])),
]
spawns = np.random.default_rng()
class Proxy:
    @property
    def __class__(self):
        raise RuntimeError("woken")
asleep = Proxy()
bits, sequence = np.random.PCG64(), np.random.SeedSequence()
set_to = random.Random()
set_to.setstate(random.Random(3).getstate())
seeded = np.random.RandomState()
seeded.seed(42)
chosen = [
    set_to, seeded,
    random.Random(3), np.random.default_rng(122807528840384100672342137672332424406), np.random.RandomState(7),
    np.random.Generator(np.random.MT19937(np.random.SeedSequence(12).spawn(1)[0])),
]
"""
DRAWS = """
import makes
import random, numpy as np
run.write("chosen", [generator.random() for generator in makes.chosen])
more = [makes.spawns.spawn(1)[0].random(), np.random.Generator(makes.bits).random(), random.random(), np.random.rand()]
more.append(np.random.default_rng(makes.sequence).random())
run.write("anew", [*(generator.random() for generator in makes.anew), *more, random.Random().random()], volatile=True)
"""


def test_what_a_library_did_not_seed_differs_in_each_kernel_and_what_it_did_does_not(
    project: Path, installed: Callable[[str, str], str]
) -> None:
    statement = installed("makes", MAKES)
    unseeded = {
        name: tiny.phase_notebook(
            f"import random, numpy as np\nrandom.seed(); np.random.seed(None)\n{DRAWS}", phase=name
        )
        for name in ("one", "two")
    }
    phases = tiny.make_project(project / "p", unseeded)
    cold = tiny.run(project / "p", phases[:1])
    with warm.ForkServer(["import ipykernel.kernelapp", statement]) as server:
        forked = tiny.run(project / "p", phases, server=server)
    assert artefact(forked, "one", "chosen") == artefact(forked, "two", "chosen") == artefact(cold, "one", "chosen")
    one, two = (artefact(forked, phase, "anew") for phase in ("one", "two"))
    assert len(set(one) | set(two)) == len(one) + len(two)


def test_a_library_that_draws_a_number_when_it_is_imported_moves_no_seed(project: Path) -> None:
    body = "import random\nrandom.seed(3)\nimport sklearn.ensemble\nrun.write('drawn', [random.random()])"
    phases = tiny.make_project(project / "p", {"one": body})
    cold = tiny.run(project / "p", phases)
    with warm.ForkServer(["import ipykernel.kernelapp", "import sklearn.ensemble"]) as server:
        forked = tiny.run(project / "p", phases, server=server)
    assert artefact(forked, "one", "drawn") == artefact(cold, "one", "drawn") == [random.Random(3).random()]


READS = """
import os
token, other = os.environ.get("MLOPSKIT_TEST_TOKEN"), os.environ.get("OTHER")
os.environ["SET_BY_READS"] = "for its processes"
"""


def seen_of(*outcome_and_phase: Any) -> list[Any]:
    return artefact(*outcome_and_phase, "seen")


def test_a_library_sees_a_variable_when_it_is_imported_as_under_a_cell(
    project: Path, installed: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That which a secret comes from shows to a library in no kernel that was given the secret past it."""
    statement = installed("reads", READS)
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", "hunter2-hunter2")
    body = (
        "import reads\nimport subprocess, sys\n"
        "child = [sys.executable, '-c', 'import os; print(os.environ.get(\"SET_BY_READS\"))']\n"
        "run.write('seen', [bool(reads.token), reads.other, subprocess.check_output(child, text=True)])"
    )
    declares = 'token: "secret" = "env:MLOPSKIT_TEST_TOKEN"  # to the store'
    phases = tiny.make_project(
        project / "p", {"one": tiny.phase_notebook(body, phase="one", parameters=declares), "two": body}
    )
    cold = tiny.run(project / "p", phases)
    remarks: list[str] = []
    with warm.ForkServer(["import ipykernel.kernelapp"]) as server:
        server.preload([statement], hidden=plan(project / "p", phases=phases).hidden)
        outcome = tiny.run(project / "p", phases, server=server, listener=noting(remarks))
    assert seen_of(cold, "one") == seen_of(outcome, "one") == [False, None, "for its processes\n"]
    assert seen_of(cold, "two") == seen_of(outcome, "two") == [True, None, "for its processes\n"]
    (remark,) = remarks
    assert "reads the variable MLOPSKIT_TEST_TOKEN, which is another in this kernel" in remark


def test_the_command_hides_what_secrets_come_from_and_forks(
    project: Path, installed: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("iterates", "import os\nfound = 'hunter2-hunter2' in [value for _, value in os.environ.items()]")
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", "hunter2-hunter2")
    LAY(project / "p", one="import iterates, sys\nrun.write('seen', [iterates.found, *sys.orig_argv[1:3]])")
    path = next((project / "p/notebooks").iterdir())
    said = json.loads(path.read_text())
    declares = "\n" + 'token: "secret" = "env:MLOPSKIT_TEST_TOKEN"  # to the store'
    next(cell for cell in said["cells"] if cell["id"] == "parameters")["source"] += declares
    path.write_text(json.dumps(said))
    command = [sys.executable, "-m", "mlopskit", "run", "--json", "--project", str(project / "p")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = (project / "p/runs").glob("*/one/seen.json")
    assert json.loads(written.read_text()) == [False, "-m", "mlopskit.runner.forkserver"], done.stdout
