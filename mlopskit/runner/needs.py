"""What a run needs of all that is installed: mlopskit, what the project imports, and what these stand on.

A machine-learning environment often holds much more: linters, test tools, other projects' libraries of gigabytes. What
distributions need is read from their metadata here; where these are not the recorded versions it is not known, and
everything that is recorded counts as needed. What a needed distribution can make use of counts as well when it is
recorded (pandas computes sums with bottleneck where it finds it), the companions of development left out.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from mlopskit.notebooks import load_notebook, source_of
from mlopskit.runner.installed import canonical
from mlopskit.runner.phases import Phase
from mlopskit.runs.modules import project_modules
from mlopskit.scope import PROJECT_FILE

_OWN = "mlopskit"
_DEVELOPMENT = re.compile(r"^all$|dev|test|doc|lint|typ|mypy|check|build|bench|example")


def needed(recorded: Mapping[str, str], imports: Collection[str]) -> set[str]:
    """Return the recorded distributions that mlopskit and the imported modules need.

    Parameters
    ----------
    recorded : mapping
        Distribution → version, of the run.
    imports : collection of str
        Top-level modules that the project imports or names.
    """
    here = {canonical(item.name): item for item in metadata.distributions() if item.name}
    homes = metadata.packages_distributions()
    roots = {_OWN} | {canonical(home) for top in imports for home in homes.get(top, ())}
    found = _closure(roots & recorded.keys(), recorded, here)
    unknown = any(name not in here or here[name].version != recorded[name] for name in found - {_OWN})
    missing = any(top not in homes and top not in sys.stdlib_module_names for top in imports)
    return set(recorded) if unknown or missing or _OWN not in found else found


def _closure(
    roots: Collection[str], recorded: Mapping[str, str], here: Mapping[str, metadata.Distribution]
) -> set[str]:
    plain = _reach(roots, recorded, here)
    companions = {name for item in plain if item in here for name in _required(here[item], optional=True)}
    return _reach(plain | (companions & recorded.keys()), recorded, here)


def _reach(roots: Collection[str], recorded: Mapping[str, str], here: Mapping[str, metadata.Distribution]) -> set[str]:
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and name in recorded:
            found.add(name)
            waiting += _required(here[name], optional=False) if name in here else []
    return found


def _required(item: metadata.Distribution, *, optional: bool) -> Iterator[str]:
    """Yield what a distribution requires on this platform, or what it makes use of."""
    from packaging.requirements import InvalidRequirement, Requirement

    extras = [name for name in item.metadata.get_all("Provides-Extra") or [] if not _DEVELOPMENT.search(name.lower())]
    for line in item.requires or []:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:  # metadata of long ago
            continue
        marker = wanted.marker
        if marker is None or any(marker.evaluate({"extra": name}) for name in (extras if optional else [""])):
            yield canonical(wanted.name)


def imports_of(project: Path, phases: Sequence[Phase]) -> set[str]:
    """Return the top-level modules that notebooks, own modules and project file name, the project's own left out."""
    found = {top for phase in phases for source in _cells(phase.path(project)) for top in _tops(source)}
    own = list(project_modules(project))
    found |= {top for path in own for top in _tops(path.read_text(encoding="utf-8", errors="replace"))}
    named = re.findall(r"[\"']([A-Za-z_]\w*)\.\w", (project / PROJECT_FILE).read_text(encoding="utf-8"))
    found |= set(named) & metadata.packages_distributions().keys()  # a candidate is a class by its dotted name
    own_names = {path.relative_to(project).parts[0].removesuffix(".py") for path in own}
    return found - own_names - {_OWN}


def _cells(notebook: Path) -> Iterator[str]:
    for cell in load_notebook(notebook)["cells"]:
        if cell["cell_type"] == "code":
            yield source_of(cell)


def _tops(source: str) -> Iterator[str]:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # the cell says so when it runs
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
