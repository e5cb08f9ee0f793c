"""What ``mlops.toml`` says, typed.

The project file says *what the problem is*: the question and the decision that it supports, the data, the baselines to
beat, the criteria to meet, the deployment, the monitoring. Each table is a frozen model here; what is left out stays
``None`` and is listed by `open_questions`, so that an omission is seen instead of passed over as a default.

What only needs to know where the file lies need not wait for the tables: they are imported when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopskit.scope.project_file import (
        TABLES,
        Scope,
    )
    from mlopskit.scope.questions import (
        OpenQuestion,
        open_questions,
    )
    from mlopskit.scope.tables import (
        Automation,
        Baseline,
        Criterion,
        Data,
        Deployment,
        Modality,
        Model,
        Monitoring,
        Project,
        Roles,
        Strategy,
        Task,
        Threshold,
    )

PROJECT_FILE = "mlops.toml"
_HOMES = {
    "Automation": "tables",
    "Baseline": "tables",
    "Criterion": "tables",
    "Data": "tables",
    "Deployment": "tables",
    "Modality": "tables",
    "Model": "tables",
    "Monitoring": "tables",
    "OpenQuestion": "questions",
    "Project": "tables",
    "Roles": "tables",
    "Scope": "project_file",
    "Strategy": "tables",
    "TABLES": "project_file",
    "Task": "tables",
    "Threshold": "tables",
    "open_questions": "questions",
}

__all__ = [
    "PROJECT_FILE",
    "TABLES",
    "Automation",
    "Baseline",
    "Criterion",
    "Data",
    "Deployment",
    "Modality",
    "Model",
    "Monitoring",
    "OpenQuestion",
    "Project",
    "Roles",
    "Scope",
    "Strategy",
    "Task",
    "Threshold",
    "open_questions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.scope' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"mlopskit.scope.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
