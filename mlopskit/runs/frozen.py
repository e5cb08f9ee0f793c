"""The project file as one run froze it, table by table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlopskit.scope import Baseline, Criterion, Data, Deployment, Model, Monitoring, Project

if TYPE_CHECKING:
    from mlopskit.runs.run import Run


@dataclass(frozen=True)
class FrozenScope:
    """The project file as this run froze it; a table is read, and recorded as read, when it is first used."""

    run: Run

    def _table(self, name: str) -> Any:
        return self.run.read(f"scope/{name}")

    @cached_property
    def project(self) -> Project:
        """Question, decision and roles."""
        return Project.model_validate(self._table("project"))

    @cached_property
    def data(self) -> Data:
        """Source, target and the columns' meaning."""
        return Data.model_validate(self._table("data"))

    @cached_property
    def model(self) -> Model:
        """Headline metric, candidates, budget."""
        return Model.model_validate(self._table("model"))

    @cached_property
    def baseline(self) -> list[Baseline]:
        """What the model has to beat."""
        return [Baseline.model_validate(item) for item in self._table("baseline")]

    @cached_property
    def criterion(self) -> list[Criterion]:
        """What makes the model acceptable."""
        return [Criterion.model_validate(item) for item in self._table("criterion")]

    @cached_property
    def deployment(self) -> Deployment:
        """The six questions, strategy and automation."""
        return Deployment.model_validate(self._table("deployment"))

    @cached_property
    def monitoring(self) -> Monitoring:
        """Windows, thresholds, who is told."""
        return Monitoring.model_validate(self._table("monitoring"))
