"""Choose the task from the settings."""

from nca.texture.settings import TaskSettings
from nca.texture.tasks.base import Task
from nca.texture.tasks.growing import Growing
from nca.texture.tasks.restoring import Restoring
from nca.texture.tasks.several import Several
from nca.texture.tasks.synthesis import Synthesis

# By the field of TaskSettings that selects it.
TASKS: dict[str, type[Task]] = {
    "grow": Growing,
    "restore": Restoring,
    "also": Several,
}


def task_of(settings: TaskSettings) -> type[Task]:
    """Class of the selected task."""
    return next((task for name, task in TASKS.items() if getattr(settings, name)), Synthesis)
