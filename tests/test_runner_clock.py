"""The clock is set back while a run is being made: nothing breaks, and no time that is told is untrue.

Real processes whose clock is another: a library put in front of the C library adds the seconds that stand in a file to
what the clock says, and a cell writes that file.
"""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlopskit.runner import warm
from mlopskit.runner.catalogue import begun_last

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"),
]

TINY = Path(__file__).with_name("tiny.py")
tiny = SimpleNamespace(**runpy.run_path(str(TINY)))

LIBRARY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) {
    long seconds = 0;
    const char *name = getenv("TEST_CLOCK");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec += shift();
    return done;
}
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec fine;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}
"""

PROGRAM = """
import json, runpy, sys
from pathlib import Path
from mlopskit.runner import Phase, cache, plan, warm
from mlopskit.runs import latest_run
tiny, folder = runpy.run_path(sys.argv[1]), Path(sys.argv[2])
phases = (Phase("one", "notebooks/1_one.ipynb"), Phase("two", "notebooks/2_two.ipynb"))
server = warm.ForkServer(["import ipykernel.kernelapp"]) if sys.argv[3] == "warm" else None
made = [tiny["run"](folder, phases, *words.split(), server=server, reuse_unchanged=True) for words in sys.argv[4:]]
planned = plan(folder, arguments=sys.argv[-1].split(), phases=phases, reuse_unchanged=True)
stands = cache.standing(planned)
base = latest_run(planned.runs)
print(json.dumps([[item.folder.name for item in made], stands and stands.name, base and base.name]))
"""

THREE_HOURS, TWENTY_YEARS = 3 * 3600, 20 * 365 * 86400


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(LIBRARY, encoding="utf-8")
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "clock.so"), str(folder / "clock.c"), "-ldl"]
    subprocess.run(command, check=True)
    return folder / "clock.so"


@pytest.fixture
def clock(library: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of seconds; the environment makes every process that is started heed it."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("TEST_CLOCK", str(project / "seconds"))
    (project / "seconds").write_text("0", encoding="utf-8")
    return project / "seconds"


def lay(folder: Path, clock: Path, by: int) -> None:
    """Two phases; in the first, which runs for a second, the clock is set back once."""
    body = (
        "import os, time\nbefore, then = time.time(), time.monotonic()\n"
        f"path = os.environ['TEST_CLOCK']\nif open(path).read() == '0': open(path, 'w').write('-{by}')\n"
        "time.sleep(1)\nprint('moved', round(time.time() - before - (time.monotonic() - then)))\n"
        "run.write('x', {'n': n})"
    )
    tiny.make_project(folder, {"one": body, "two": "run.write('y', run.read('one/x'))"})


def runs(folder: Path, kind: str, *calls: str) -> Any:
    command = [sys.executable, "-c", PROGRAM, str(TINY), str(folder), kind, *calls]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(*words: str, folder: Path) -> Any:
    command = [sys.executable, "-m", "mlopskit", *words, "--project", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def notebook(folder: Path, phase: str) -> dict[str, Any]:
    return json.loads((folder / phase / "notebook.ipynb").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "by"), [("cold", THREE_HOURS), ("warm", TWENTY_YEARS)])
def test_nothing_takes_less_than_no_time(project: Path, clock: Path, kind: str, by: int) -> None:
    if kind == "warm" and not warm.is_supported():
        pytest.skip("kernels are not forked here")
    lay(project / "p", clock, by)
    [[name], _, _] = runs(project / "p", kind, "")
    folder = project / "p" / "runs" / name
    manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "passed"
    assert 1 < manifest["phases"][0]["seconds"] < manifest["seconds"] < 60
    work = next(cell for cell in notebook(folder, "one")["cells"] if cell["id"] == "work")
    assert "".join(work["outputs"][0]["text"]) == f"moved -{by}\n", "the clock was set back indeed"
    times = [item for phase in ("one", "two") for item in timings(notebook(folder, phase))]
    assert all(0 <= item["duration"] < 60 and item["start_time"] <= item["end_time"] for item in times)
    events = [json.loads(line) for line in (folder / "lineage.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["eventTime"] for event in events] == sorted(event["eventTime"] for event in events)
    assert manifest["started"] <= events[0]["eventTime"]


def timings(made: dict[str, Any]) -> list[dict[str, Any]]:
    cells = [cell["metadata"]["papermill"] for cell in made["cells"] if cell["cell_type"] == "code"]
    return [made["metadata"]["papermill"], *cells]


def test_what_was_made_last_counts_as_last(project: Path, clock: Path) -> None:
    lay(project / "p", clock, THREE_HOURS)
    [[first], _, _] = runs(project / "p", "cold", "")
    [[second, third], stands, base] = runs(project / "p", "cold", "two.n=2", "two.n=3")
    assert max(second, third) < first, "their names bear what the clock said"
    assert stands == base == third
    assert (found := begun_last(project / "p" / "runs")) is not None
    assert found.name == third
    found = {item["name"]: item for item in said("runs", folder=project / "p")}
    assert [name for name, item in found.items() if item["latest"]] == [third]
    assert {item["status"] for item in found.values()} == {"passed"}
    manifest = json.loads((project / "p" / "runs" / third / "run.json").read_text(encoding="utf-8"))
    assert manifest["phases"][0]["reason"].endswith(f"changed since {second}")
    assert manifest["phases"][0]["reused_from"] == first, "which executed what the second took"
    [[fourth], stands, _] = runs(project / "p", "cold", "two.n=2")
    assert stands == fourth != second, "the one that was made last with these parameters"


def test_run_that_the_clock_was_set_back_in_is_gone_on_with(project: Path, clock: Path) -> None:
    lay(project / "p", clock, THREE_HOURS)
    path = project / "p" / "notebooks" / "2_two.ipynb"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace("run.write('y'", "raise MemoryError; run.write('y'"), encoding="utf-8")
    [[failed], _, _] = runs(project / "p", "cold", "")
    path.write_text(whole, encoding="utf-8")
    phases = (tiny.Phase("one", "notebooks/1_one.ipynb"), tiny.Phase("two", "notebooks/2_two.ipynb"))
    resumed = tiny.manifest_of(tiny.run(project / "p", phases, reuse_unchanged=True, resume=failed))
    assert [phase["status"] for phase in resumed["phases"]] == ["reused", "done"]
    undisturbed = tiny.manifest_of(tiny.run(project / "p", phases))
    for made, alone in zip(resumed["phases"], undisturbed["phases"], strict=True):
        assert [item["digest"] for item in made["writes"]] == [item["digest"] for item in alone["writes"]]


def test_by_age_nothing_goes_that_the_clock_cannot_tell_to_be_old(project: Path, clock: Path) -> None:
    lay(project / "p", clock, THREE_HOURS)
    [names, _, latest] = runs(project / "p", "cold", "", "two.n=2")
    gone = said("prune", "--older-than", "1h", "--yes", folder=project / "p")
    assert sorted(path.parent.name for path in (project / "p" / "runs").glob("*/run.json")) == sorted(names), gone
    said("prune", "--keep", "0", "--yes", folder=project / "p")
    left = {path.parent.name for path in (project / "p" / "runs").glob("*/run.json")}
    assert latest in left
    command = [sys.executable, "-m", "mlopskit", "site", "--project", str(project / "p")]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
    assert {path.name for path in (project / "p" / "site" / "runs").iterdir()} == left
