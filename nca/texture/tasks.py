"""Which task the settings ask for."""

from nca.texture.growing import Growing
from nca.texture.restoring import Restoring
from nca.texture.settings import TrainSettings
from nca.texture.several import Several
from nca.texture.task import Synthesis

Kind = type[Synthesis] | type[Growing] | type[Restoring] | type[Several]


def task_of(settings: TrainSettings) -> Kind:
    """The class of the task."""
    if settings.grow:
        return Growing
    if settings.restore:
        return Restoring
    return Several if settings.also else Synthesis
