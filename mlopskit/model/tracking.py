"""The run in MLflow: an embedded SQLite store beside the runs, or any MLflow server by its URI.

MLflow takes seconds to import and, the first time, to lay down its tables. So a process of its own does that while
candidates are being fitted; the notebook's kernel stays free of it. It reads one record from standard input, logs it
and ends; when the kernel dies its input ends, and so does it. Tracking that fails never fails the phase.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit import artefacts, display
from mlopskit.data import TARGET
from mlopskit.metrics import default_metrics, get_metric, score_array

if TYPE_CHECKING:
    import pandas as pd

    from mlopskit.model.headline import Headline
    from mlopskit.model.training import Search

TRACKED, NOT_TRACKED, OFF = "tracked", "could not track", "not asked for"


@dataclass
class Tracker:
    """A tracking process that is getting ready, or none.

    Attributes
    ----------
    uri : str
        Where it tracks to.
    """

    uri: str
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _why: str = ""

    def log(self, record: Mapping[str, Any], *, timeout: float = 60) -> Tracking:
        """Send one run to MLflow and wait for the answer.

        Parameters
        ----------
        record : mapping
            ``experiment``, ``run_name``, ``params``, ``metrics`` and ``tags``.
        timeout : float
            Seconds after which it counts as failed.
        """
        if self._process is None:
            return Tracking(NOT_TRACKED if self._why else OFF, self.uri, "", self._why)
        try:
            answer, errors = self._process.communicate(artefacts.to_json(record), timeout=timeout)
            found = json.loads(answer.splitlines()[-1]) if answer.strip() else {"error": _last_line(errors)}
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            found = {"error": f"no answer within {timeout:g} seconds"}
        except (OSError, ValueError) as error:
            found = {"error": str(error)}
        finally:
            self._process = None
        status = NOT_TRACKED if "error" in found else TRACKED
        return Tracking(status, self.uri, found.get("run_id", ""), _without_password(found.get("error", "")))


@dataclass(frozen=True)
class Tracking:
    """What became of it; volatile, since MLflow names runs by chance.

    Attributes
    ----------
    status : str
        ``tracked``, ``could not track`` or ``not asked for``.
    uri : str
        Where to, without user and password.
    run_id : str
        MLflow's name of the run.
    why : str
        What went wrong.
    """

    status: str
    uri: str
    run_id: str
    why: str

    @property
    def note(self) -> display.Note:
        """The outcome in a sentence."""
        if self.status == TRACKED:
            return display.note(f"Tracked in MLflow as run {self.run_id} at {self.uri}.")
        if self.status == OFF:
            return display.note("Not tracked in MLflow: the parameter `track` is off.")
        return display.note(
            f"Could not track in MLflow at {self.uri}: {self.why}. All else is in this run.", tone="warning"
        )


def start_tracking(project: Path, *, enabled: bool = True) -> Tracker:
    """Start the tracking process; it gets ready while the notebook goes on.

    Parameters
    ----------
    project : Path
        The project's folder. Tracked to ``runs/mlflow.db`` in it, unless ``MLFLOW_TRACKING_URI`` names a server.
    enabled : bool
        False starts nothing.
    """
    runs = project / "runs"
    named = os.environ.get("MLFLOW_TRACKING_URI", "")
    shown = _without_password(named) if named else (runs / "mlflow.db").relative_to(project).as_posix()
    if not enabled:
        return Tracker(shown)
    uri = named or f"sqlite:///{(runs / 'mlflow.db').as_posix()}"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PYTHONWARNINGS": "ignore",
             "MLFLOW_LOGGING_LEVEL": "ERROR", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # fmt: skip
    # By its path and without its folder on sys.path (-P), so that it imports MLflow and nothing of this package.
    command = [sys.executable, "-P", str(Path(__file__).with_name("_mlflow_process.py")), str(runs)]
    try:
        runs.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            command, env={**os.environ, **quiet, "MLFLOW_TRACKING_URI": uri}, cwd=runs, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        return Tracker(shown, None, str(error))
    return Tracker(shown, process)


def tracking_record(
    search: Search, predictions: pd.DataFrame, headline: Headline, *, project: str, run: str, tags: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is sent to MLflow of one run.

    Parameters
    ----------
    search : Search
        Its winner's settings become parameters.
    predictions : DataFrame
        The winner's, on validation rows; every metric of the task is computed from them.
    headline : Headline
        Named in a tag.
    project, run : str
        MLflow's experiment and run.
    tags : mapping
        More to find the run by, such as the hash of its data.
    """
    y_true, answers = predictions[TARGET].to_numpy(), (predictions["prediction"].to_numpy(), score_array(predictions))
    metrics = {
        name: get_metric(name, headline.task).function(y_true, *answers) for name in default_metrics(headline.task)
    }
    winner = search.winner.candidate
    params = {"candidate": winner.name, **winner.settings, "seed": headline.seed, "configurations": len(search.fitted)}
    if search.data.mitigation is not None:
        params |= {"mitigation": search.data.mitigation.name, "mitigate": search.data.mitigation.column}
    tags = {"mlopskit.run": run, "mlopskit.headline": headline.metric.name, **tags}
    return {
        "experiment": project,
        "run_name": run,
        "params": {key: str(value)[:500] for key, value in params.items()},
        "metrics": {f"validation_{key}": float(value) for key, value in metrics.items() if math.isfinite(value)},
        "tags": {key: str(value)[:500] for key, value in tags.items() if value is not None},
    }


def _without_password(text: str) -> str:
    """Leave user and password out of every URI in a text."""
    return re.sub(r"://[^/\s]*@", "://", text)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "the tracking process ended without an answer"
