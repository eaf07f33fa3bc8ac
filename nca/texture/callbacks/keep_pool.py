"""Put states back into the pool after every iteration."""

from nca.texture.pool import Pool
from nca.training.callback import Callback
from nca.training.learner import Learner


class KeepPool(Callback):
    """Put the states of a batch back into its pool, and update the pool's progress."""

    essential = True

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def after_batch(self, learner: Learner) -> None:
        """Put back the states of all processes."""
        engine = learner.engine
        self.pool.put_back(
            engine.gather(learner.batch.index), engine.gather(learner.prediction.detach())
        )
        self.pool.progress = learner.progress
