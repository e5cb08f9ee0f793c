"""What a comparison needs to know of one run: a small file that the index loads only when the run is compared.

500 runs have 125,000 pairs, so no comparison is made beforehand: the page makes it from two such files, by the rules
of `mlopskit.runner.compare`. The file is a script, because a page from disk may load scripts but not data; all it does
is hand over one string of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mlopskit.artefacts import plain
from mlopskit.params import portable
from mlopskit.runner.compare import GROUPS, METRICS, TEST_ROWS
from mlopskit.runner.compare_causes import DATA, distributions, parameters_of, source, surroundings
from mlopskit.runner.compare_measures import directions
from mlopskit.runner.site.reading import Reading, Shape, figures, shape
from mlopskit.runs import Record

_DIGEST = 16
Shapes = dict[str, Shape | None]


def script_of(found: Mapping[str, Any]) -> str:
    r"""Write details as a script of plain ASCII.

    Examples
    --------
    >>> script_of({"name": "é"})
    'mlopskitRun("{\\"name\\": \\"\\\\u00e9\\"}");\n'
    """
    try:
        text = json.dumps(found, allow_nan=False)
    except (TypeError, ValueError):  # a parameter that is infinite
        text = json.dumps(plain(portable(found)), allow_nan=False)
    return f"mlopskitRun({json.dumps(text)});\n"


def details_of(run: Reading, *, shapes: Shapes) -> dict[str, Any]:
    """Return the details of a run.

    Parameters
    ----------
    run : Reading
        The run.
    shapes : dict
        Digest of a table → rows and columns, filled as they are read: runs that share their data share the look.
    """
    criteria, environment, written = run.entries("criteria"), run.table("environment"), run.artefacts()
    metrics, groups, headline = run.measures(METRICS), run.measures(GROUPS), run.table("headline")
    told = {row[2] for row in [*(metrics or []), *(groups or [])]}
    return {
        "name": run.folder.name,
        "status": run.status,
        "readable": bool(run.said),
        "parameters": parameters_of(run.table("parameters")),
        "environment": surroundings(environment),
        "distributions": distributions(environment),
        "source": source(run),
        "phases": run.phases,
        "artefacts": {name: record.digest[:_DIGEST] for name, record in written.items()},
        "data": dict(_tables(run, written, shapes)),
        "testRows": written[TEST_ROWS].digest if TEST_ROWS in written else None,
        "code": {phase: cells for phase in run.phases if (cells := run.cells(phase)) is not None},
        "headline": [headline.get("label"), *figures(headline)] if headline else None,
        "metrics": metrics,
        "groups": groups,
        "better": {name: way for name, way in directions(criteria).items() if name in told and way is not None},
        "criteria": [[name, row["status"], str(row.get("reason") or "")] for name, row in run.judged().items()],
        "problems": run.problems,
    }


def _tables(run: Reading, written: Mapping[str, Record], shapes: Shapes) -> Iterable[tuple[str, Shape | None]]:
    """Yield the artefacts of the data phase, figures left out, with rows and columns where they are tables."""
    for name, record in written.items():
        if not name.startswith(DATA) or name.endswith(".svg"):
            continue
        if name.endswith(".parquet") and record.digest not in shapes:
            shapes[record.digest] = shape(run.folder / name)
        yield name, shapes.get(record.digest) if name.endswith(".parquet") else None
