"""The tables of ``mlops.toml``, one frozen model each; what is left out stays ``None``."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mlopskit.errors import listing

Task = Literal["binary", "multiclass", "regression"]
Modality = Literal["tabular", "text", "image"]
Strategy = Literal["shadow", "canary", "blue-green"]
Automation = Literal["human-only", "shadow", "assistance", "partial", "full"]
Mitigation = Literal["none", "reweighting", "threshold-optimizer", "exponentiated-gradient"]
Constraint = Literal["demographic_parity", "equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"]


class _Table(BaseModel):
    """One table of the project file: unknown keys are refused, values are not coerced from other types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


class Roles(_Table):
    """Who answers for what; a name, a team or an address."""

    data: str | None = None
    model: str | None = None
    deployment: str | None = None


class Project(_Table):
    """The question in words and the decision that it supports."""

    name: str
    question: str | None = None
    decision: str | None = None
    roles: Roles = Roles()


class Data(_Table):
    """Where the data come from and what their columns mean.

    ``source`` is ``example:NAME`` for bundled data, a path relative to the project file (Parquet, CSV, TSV, JSON
    lines), or an SQLAlchemy URL together with ``query``. With ``positive_above`` the target is numeric and the positive
    class is every row above it.
    """

    source: str
    query: str | None = None
    modality: Modality = "tabular"
    task: Task
    target: str
    positive: str | int | float | bool | None = None
    positive_above: float | int | None = None
    time: str | None = None
    group: str | None = None
    split: Literal["stratified", "group", "time"] = "stratified"
    sensitive: list[str] = []
    slices: list[str] = []
    exclude: list[str] = []
    image_shape: list[int] | None = None
    production_from: int | float | str | None = None
    origin: str | None = None
    licence: str | None = None
    privacy_floor: int = Field(
        default=0, ge=0, description="groups: sizes and denominators below it are not shown, nor can they be had"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Data:
        if self.task == "binary" and self.positive is None and self.positive_above is None:
            raise ValueError("a binary task needs `positive` (the label of the positive class) or `positive_above`")
        if self.positive is not None and self.positive_above is not None:
            raise ValueError("give `positive` or `positive_above`, not both")
        if self.split == "time" and self.time is None:
            raise ValueError('split = "time" needs `time`, the column that orders the rows')
        if self.split == "group" and self.group is None:
            raise ValueError('split = "group" needs `group`, the column whose values stay on one side')
        if self.production_from is not None and self.time is None:
            raise ValueError("`production_from` needs `time`, the column that it refers to")
        if self.target in self.exclude:
            raise ValueError(f"the target {self.target!r} stands in `exclude` too; take it out of one of them")
        return self


class Model(_Table):
    """What is tried, how hard, by which figure it is chosen, and what is done about a gap between groups.

    ``mitigation`` is what the model phase applies to the column ``mitigate``; ``constraint`` names what is to be equal
    between its groups, by which the slices phase compares mitigations before one is chosen here. Decisions of the two
    that are fairlearn's are partly drawn, by a hash of the row, so that the same row always gets the same answer.
    """

    metric: str | None = None
    candidates: list[str] = ["linear", "forest", "boosting"]
    budget: int = Field(default=4, ge=1, le=1000, description="configurations tried for each candidate")
    mitigation: Mitigation | None = Field(
        default=None,
        description="reweighting: candidates learn from weighted rows; threshold-optimizer: the winner decides by "
        "group; exponentiated-gradient: a mixture of linear models takes its place; the last two by fairlearn",
    )
    mitigate: str | None = Field(default=None, description="the sensitive column whose groups are to be treated alike")
    constraint: Constraint | None = Field(default=None, description="what is to be equal between the groups")

    @model_validator(mode="after")
    def _names_what_it_mitigates(self) -> Model:
        if self.mitigation not in (None, "none") and self.mitigate is None:
            raise ValueError(
                f'mitigation = "{self.mitigation}" needs `mitigate`, one of the sensitive columns of [data]'
            )
        return self

    @property
    def own_types(self) -> list[str]:
        """Full type names of the candidates that the project wrote itself; its model files may hold them.

        Examples
        --------
        >>> Model(candidates=["linear", "mine.models:Tree"]).own_types
        ['mine.models.Tree']
        """
        return [name.replace(":", ".") for name in self.candidates if ":" in name]


class Baseline(_Table):
    """Something simple, human, published or older that a model has to beat."""

    kind: Literal["majority", "rule", "linear", "human", "literature", "previous"]
    rule: str | None = Field(default=None, description="rule: a boolean pandas expression over the columns")
    column: str | None = Field(default=None, description="human, previous: the column with decisions or scores")
    metric: str | None = Field(default=None, description="literature, human: the metric of `value`")
    value: float | int | None = Field(default=None, description="literature, human: the published figure")
    source: str | None = Field(default=None, description="where the figure or the rule is from")

    @model_validator(mode="after")
    def _complete(self) -> Baseline:
        needs = {"rule": ("rule",), "literature": ("metric", "value", "source"), "previous": ("column",)}
        missing = [key for key in needs.get(self.kind, ()) if getattr(self, key) is None]
        if self.kind == "human" and self.column is None and (self.metric is None or self.value is None):
            missing = ["column (or metric and value)"]
        if missing:
            raise ValueError(f"a baseline of kind {self.kind!r} needs {listing(missing)}")
        return self


class Criterion(_Table):
    """One acceptance criterion: a metric, a bound and the rows that it speaks of.

    At most one of ``every_slice_of`` (each value of a column), ``between`` with ``as`` (largest gap between the groups
    of a column) and ``gain_over`` (paired gain over a baseline) is given; with none, the whole test set is meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    metric: str
    at_least: float | int | None = None
    at_most: float | int | None = None
    every_slice_of: str | None = None
    between: str | None = None
    gap: Literal["difference", "ratio"] = Field(default="difference", alias="as")
    gain_over: str | None = None
    on_undecided: Literal["stop", "pass"] | None = None

    @model_validator(mode="after")
    def _one_bound_one_scope(self) -> Criterion:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a criterion needs exactly one of `at_least` and `at_most`")
        scopes = [key for key in ("every_slice_of", "between", "gain_over") if getattr(self, key) is not None]
        if len(scopes) > 1:
            raise ValueError(f"a criterion takes one of {listing(scopes)}, not several")
        return self

    @property
    def bound(self) -> float:
        """The bound as a number, whichever side it is on."""
        return float(self.at_least if self.at_least is not None else self.at_most or 0)

    @property
    def name(self) -> str:
        """The criterion in words, unique enough to be its name.

        Examples
        --------
        >>> Criterion(metric="recall", at_least=0.5, every_slice_of="gender").name
        'recall in every gender at least 0.5'
        """
        subject = self.metric
        if self.every_slice_of:
            subject = f"{self.metric} in every {self.every_slice_of}"
        elif self.between:
            subject = f"{self.gap} of {self.metric} between {self.between}"
        elif self.gain_over:
            subject = f"gain in {self.metric} over {self.gain_over}"
        return f"{subject} at {'least' if self.at_least is not None else 'most'} {self.bound:g}"


class Deployment(_Table):
    """The six questions to settle before anything is served, then strategy and degree of automation."""

    mode: Literal["real-time", "batch"] | None = None
    where: Literal["cloud", "edge", "on-premise"] | None = None
    max_memory_mb: float | int | None = None
    cores: float | int | None = None
    max_latency_ms: float | int | None = None
    min_requests_per_second: float | int | None = None
    logging: list[str] | None = Field(default=None, description="columns that may be logged with each request")
    security: str | None = None
    privacy: str | None = None
    strategy: Strategy | None = None
    automation: Automation | None = None
    max_deferred: float | int | None = Field(default=None, description="share of cases that people can take over")


class Threshold(_Table):
    """A bound on one monitored metric; outside it someone is told."""

    metric: str
    feature: str | None = Field(default=None, description="for drift: one feature; every feature when left out")
    at_least: float | int | None = None
    at_most: float | int | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Threshold:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a monitoring threshold needs `at_least` or `at_most`")
        return self


class Monitoring(_Table):
    """How production is watched: the length of a window, the thresholds, who is told.

    ``window`` is in the units of the time column when it is numeric (2 for two years), a pandas offset such as ``30D``
    when it holds dates, and a number of rows when there is no time column.
    """

    window: int | float | str | None = None
    notify: list[str] = []
    threshold: list[Threshold] = []


class PhaseTable(_Table):
    """A change to the sequence of phases: a notebook of one's own, or another place or notebook for a known phase.

    ``after`` names the phases that must have ended well before; ``drop`` takes a phase out.
    """

    name: str
    notebook: str | None = None
    after: list[str] | None = None
    parameters: dict[str, Any] = {}
    drop: bool = False

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError("takes lower-case letters, digits and _, a letter first, such as fairness_review")
        return name
