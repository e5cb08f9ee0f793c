"""The bundle: one folder that holds all that serving needs, and says what it is.

The model and the champion that it challenges (skops, never pickle), ``bundle.json`` (input schema, target, threshold,
deferral, versions, digests, acceptance criteria and their outcome), pinned requirements, a Dockerfile, Prometheus
rules, a Grafana dashboard, and under ``code/`` the project's own modules where a model needs them. Every file but
bundle.json stands in it with its content digest; a bundle that differs is not loaded. The bundle is named by digests
instead of a run's name, so that equal runs give equal bundles.
"""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from mlopskit import artefacts
from mlopskit.data.columns import Columns, Target
from mlopskit.deploy.deferral import DeferralRule
from mlopskit.deploy.own_code import CODE, load_own, own_modules, own_packages, unlisted
from mlopskit.deploy.packages import own_version, python_version, serving_requirements
from mlopskit.deploy.schema import InputSchema
from mlopskit.deploy.serving_files import serving_files
from mlopskit.errors import DeployError
from mlopskit.runs import Run, read_trace

MANIFEST = "bundle.json"
MODEL = "model.skops"
CHAMPION = "champion.skops"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were checked against its manifest.

    Attributes
    ----------
    folder : Path
        Where it lies.
    facts : mapping
        ``bundle.json``.
    """

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def load(cls, folder: str | Path) -> Bundle:
        """Check the folder against its manifest; models are read later, when asked for.

        Raises
        ------
        DeployError
            When it is no bundle, a file is missing or has changed, or code was added.
        """
        folder = Path(folder)
        try:
            facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files = dict(facts["files"])
        except (OSError, ValueError, KeyError, TypeError):
            existing = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
            raise DeployError.from_not_a_bundle(folder, existing) from None
        changed = [name for name, digest in files.items() if not _is(folder / name, digest)]
        changed += unlisted(folder, files)
        if changed:
            raise DeployError.from_changed_bundle(folder, changed)
        return cls(folder, facts)

    @property
    def schema(self) -> InputSchema:
        """What a request may say."""
        return InputSchema.from_list(self.facts["schema"])

    @property
    def columns(self) -> Columns:
        """Which column plays which part."""
        return Columns.from_dict(self.facts["columns"])

    @property
    def target(self) -> Target:
        """Task and classes."""
        return Target.from_dict(self.facts["target"])

    @property
    def deferral(self) -> DeferralRule | None:
        """The rule by which uncertain cases go to a person."""
        return DeferralRule.from_dict(self.facts["deferral"]) if self.facts["deferral"] else None

    @property
    def logging(self) -> list[str]:
        """The columns that may be logged; none when the project has not answered."""
        return list(self.facts["logging"] or [])

    def model(self) -> Any:
        """Load the model, types checked."""
        return load_own(self.folder, self.folder / MODEL, self.facts)

    def champion(self) -> Any | None:
        """Load the champion, types checked; None when no baseline can predict."""
        return load_own(self.folder, self.folder / CHAMPION, self.facts) if self.facts["champion"] else None

    def __repr__(self) -> str:
        return "\n".join(f"{key}: {value}" for key, value in self._lines())

    def _repr_html_(self) -> str:
        cell = '<td style="text-align:left">'
        rows = "".join(f"<tr><th>{html.escape(k)}</th>{cell}{html.escape(v)}</td></tr>" for k, v in self._lines())
        return f'<table class="mlopskit-table"><tbody>{rows}</tbody></table>'

    def _lines(self) -> list[tuple[str, str]]:
        facts, champion = self.facts, self.facts["champion"]
        statuses = [item["status"] for item in facts["criteria"]]
        size = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        return [
            ("model", f"{facts['model']['kind']}, content digest {facts['files'][MODEL][:12]}"),
            ("champion", champion["name"] if champion else "none: no baseline of this project can predict"),
            ("inputs", f"{sum(field.required for field in self.schema.fields)} fields"),
            ("criteria", f"{statuses.count('met')} of {len(statuses)} met" if statuses else "none were stated"),
            ("packages", f"{len(facts['versions']['packages'])} pinned, Python {facts['versions']['python']}"),
            ("files", f"{len(facts['files']) + 1}, {size / 1e6:.1f} MB"),
        ]


def _is(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and artefacts.digest(path) == digest
    except (OSError, ValueError, KeyError, BadZipFile):
        return False


def write_bundle(run: Run, *, deferral: DeferralRule | None = None) -> Bundle:
    """Put together what serving needs from what earlier phases wrote.

    Parameters
    ----------
    run : Run
        The deploy phase's run; `model/model`, `model/threshold`, `model/baselines`, the best predicting baseline, and
        `data/schema`, `data/columns`, `data/target` are read.
    deferral : DeferralRule, optional
        From `tune_deferral`.

    Returns
    -------
    Bundle
        Written as the artefact ``bundle``.
    """
    model = run.read("model/model")
    champion = choose_champion(run)
    facts = {"format": 1, **_described(run, model), "deferral": deferral.to_dict() if deferral else None}
    facts["champion"] = {key: champion[key] for key in ("name", "kind", "metric", "value")} if champion else None
    with run.write_folder("bundle") as folder:
        _copy(run, "model/model", folder / MODEL)
        if champion:
            run.read(champion["artefact"])
            _copy(run, champion["artefact"], folder / CHAMPION)
        code = _copy_own_code(run, folder, facts)
        for name, text in serving_files(facts, run.scope.monitoring).items():
            artefacts.write_text(folder / name, text)
        facts["lineage"] = {item.name: item.digest for item in read_trace(run.home) if item.op == "read"}
        beside = sorted(file.name for file in folder.iterdir() if file.is_file())
        facts["files"] = {name: artefacts.digest(folder / name) for name in [*beside, *code]}
        artefacts.write_text(folder / MANIFEST, artefacts.to_json(facts))
    return Bundle.load(run.home / "bundle")


def _copy(run: Run, name: str, to: Path) -> None:
    phase, _, stem = name.partition("/")
    shutil.copyfile(run.phase_folder(phase) / f"{stem}.skops", to)


def _copy_own_code(run: Run, folder: Path, facts: dict[str, Any]) -> list[str]:
    """Copy the project's own modules that the models need, note their types and packages; return the copies' names."""
    allowed = set(run.scope.model.own_types)
    models = [path for path in (folder / MODEL, folder / CHAMPION) if path.is_file()] if allowed else []
    held = {name for path in models for name in artefacts.foreign_types(path)}
    facts["own_types"] = sorted(held & allowed)
    files = own_modules(run.project, facts["own_types"])
    for name in files:
        target = folder / CODE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.source_file(name), target)
    facts["versions"]["packages"] = serving_requirements(own_packages(files, run.project))
    return [f"{CODE}/{name}" for name in files]


def _described(run: Run, model: Any) -> dict[str, Any]:
    project, deployment, scope_data = run.scope.project, run.scope.deployment, run.scope.data
    target, columns = Target.from_dict(run.read("data/target")), Columns.from_dict(run.read("data/columns"))
    schema = InputSchema.from_table(
        run.read("data/schema"), columns=columns, target=scope_data.target, also=getattr(model, "asks_for", ())
    )
    estimator = model.steps[-1][1] if hasattr(model, "steps") else model
    return {
        "name": project.name,
        "question": project.question,
        "decision": project.decision,
        "model": {"kind": type(estimator).__name__},
        "target": target.to_dict(),
        "threshold": run.read("model/threshold").get("threshold"),
        "columns": columns.to_dict(),
        "schema": schema.to_list(),
        "logging": deployment.logging,
        "max_memory_mb": deployment.max_memory_mb,
        "cores": deployment.cores,
        "automation": deployment.automation,
        "strategy": deployment.strategy,
        "criteria": criteria_outcomes(run),
        "versions": {"mlopskit": own_version(), "python": python_version()},
    }


def criteria_outcomes(run: Run) -> list[dict[str, Any]]:
    """Gather name and status of every acceptance criterion that the evaluating phases judged."""
    found: list[dict[str, Any]] = []
    for phase in ("evaluate", "slices_and_bias"):
        if run.has(f"{phase}/criteria"):
            table = run.read(f"{phase}/criteria")
            found += table[["name", "status"]].to_dict("records") if len(table) else []
    return found


def choose_champion(run: Run) -> dict[str, Any] | None:
    """Return the best baseline that can predict, as name, kind, metric, value and artefact; None when there is none."""
    if not run.has("model/baselines"):
        return None
    table: pd.DataFrame = run.read("model/baselines")
    predicts = table["artefact"].map(lambda name: isinstance(name, str) and bool(name)).astype(bool)  # also of no rows
    able = table[predicts & table["value"].notna()]
    if able.empty:
        return None
    ascending = not _greater_is_better(str(able.iloc[0]["metric"]), run.scope.data.task)
    best = able.sort_values(["value", "name"], ascending=[ascending, True], kind="stable").iloc[0]
    artefact = str(best["artefact"])
    name = artefact if "/" in artefact else f"model/{artefact}"
    return {
        "name": str(best["name"]),
        "kind": str(best["kind"]),
        "metric": str(best["metric"]),
        "value": float(best["value"]),
        "artefact": name.removesuffix(".skops"),
    }


def _greater_is_better(metric: str, task: str) -> bool:
    from mlopskit.metrics import get_metric

    return get_metric(metric, task).greater_is_better is not False
