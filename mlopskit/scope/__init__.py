"""What ``mlops.toml`` says, typed.

The project file says *what the problem is*: the question and the decision that it supports, the data, the baselines to
beat, the criteria to meet, the deployment, the monitoring. Each table is a frozen model here; what is left out stays
``None`` and is listed by `open_questions`, so that an omission is seen instead of passed over as a default.
"""

from mlopskit.scope.project_file import PROJECT_FILE, TABLES, Scope
from mlopskit.scope.questions import OpenQuestion, open_questions
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
