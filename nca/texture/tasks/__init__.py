"""Choose the task from the settings."""

from nca.texture.settings import TaskSettings
from nca.texture.tasks.base import Task
from nca.texture.tasks.growing import Growing
from nca.texture.tasks.material import Material
from nca.texture.tasks.restoring import Restoring
from nca.texture.tasks.several import Several
from nca.texture.tasks.synthesis import Synthesis

# Each key is the field of TaskSettings that selects the task.
TASKS: dict[str, type[Task]] = {
    "grow": Growing,
    "restore": Restoring,
    "also": Several,
    "maps": Material,
}


def task_of(settings: TaskSettings) -> type[Task]:
    """Return the class of the selected task; without a selection, texture synthesis."""
    return next((task for name, task in TASKS.items() if getattr(settings, name)), Synthesis)
