"""The sample pool: states that go on growing from iteration to iteration.

Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020: what a rule makes after many
steps is trained without ever unrolling more than a few dozen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.rng import random_masks
from nca.rule import Rule
from nca.texture.scaling import folded
from nca.texture.settings import TrainSettings
from nca.training.callback import Callback
from nca.training.learner import Learner
from nca.unroll.simulate import simulate


@dataclass(frozen=True)
class Draw:
    """What an iteration works on.

    Attributes:
        index: [B], where the states are in the pool.
        state: [B, C, H, W].
        masks: [steps, B, H, W] bool, the cells that fire.
    """

    index: Tensor
    state: Tensor
    masks: Tensor


NOISY = 0.5  # the part of the damages that are noise
AGE = 1000  # steps


class Pool:
    """An endless source of batches. Later in the training, its grid and its steps are larger.

    Args:
        rule: tells what a state is and starts as.
        settings: sizes, and how often a state is started anew.
        generator: of all that is drawn.
        rank, processes: of several processes, each has the whole pool and draws the same batch of
            ``processes * batch_size`` states; it gets its part of it.

    Attributes:
        progress: the part of the training that is done, which whoever trains keeps up to date.
    """

    def __init__(
        self,
        rule: Rule,
        settings: TrainSettings,
        generator: torch.Generator,
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.rule, self.settings, self.generator = rule, settings, generator
        self.mine = slice(rank * settings.batch_size, (rank + 1) * settings.batch_size)
        self.drawn = processes * settings.batch_size
        self.progress = 0.0
        self.states = self.seeds(torch.arange(settings.pool_size), settings.grid)

    def __iter__(self) -> Iterator[Draw]:
        while True:
            yield self.draw()

    @torch.no_grad()
    def draw(self) -> Draw:
        """Take a batch, some of its states started anew or damaged."""
        settings = self.settings
        late = self.progress >= settings.late_from
        side = settings.late_grid if late else settings.grid
        if side != self.states.shape[-1]:
            self.states = self.seeds(torch.arange(settings.pool_size), side)
        index = self.pick()
        state = self.states[index]
        self.disturb(index, state)
        if late and settings.aging_rate:
            self._age(state)
        least, most = settings.late_steps if late else settings.steps
        steps = int(torch.randint(least, most + 1, (), generator=self.generator))
        masks = random_masks(steps, len(state), side, side, settings.update_rate, self.generator)
        return Draw(index[self.mine], state[self.mine], masks[:, self.mine])

    def _age(self, state: Tensor) -> None:
        """Let a state in the middle of a batch, [B, C, H, W], run on for long, perhaps.

        A rule that has only seen states of some hundred steps may lose its colors after thousands.
        """
        chance = float(torch.rand((), generator=self.generator))
        seed = int(torch.randint(2**31, (), generator=self.generator))
        if chance < self.settings.aging_rate:
            middle = len(state) // 2  # neither started anew nor damaged
            rule = folded(self.rule).cpu()
            (old,) = simulate(rule, state[middle : middle + 1], [AGE], seed=seed)
            if not blown_up(old).any():
                state[middle] = old[0]

    def pick(self) -> Tensor:
        """Places of the states of a batch, of all processes, [processes * batch_size]."""
        return torch.randperm(self.settings.pool_size, generator=self.generator)[: self.drawn]

    def disturb(self, index: Tensor, state: Tensor) -> None:
        """Start the first state of a batch anew, perhaps, and damage the last, perhaps.

        Args:
            index: [B], where the states are in the pool.
            state: [B, C, H, W], changed in place.
        """
        if float(torch.rand((), generator=self.generator)) < self.settings.reset_rate:
            state[:1] = self.seeds(index[:1], state.shape[-1])
        if float(torch.rand((), generator=self.generator)) < self.settings.damage_rate:
            self._damage(state[-1])

    def _damage(self, state: Tensor) -> None:
        """Erase a disc of a state, [C, H, W], or fill it with noise; a quarter as wide at most."""
        side = state.shape[-1]
        x, y, size, kind = torch.rand(4, generator=self.generator).tolist()
        along = torch.arange(side) / side
        # The shorter way round the torus.
        dx, dy = ((along - place + 0.5) % 1 - 0.5 for place in (x, y))
        disc = dx.square() + dy[:, None].square() < (0.03 + 0.095 * size) ** 2
        noise = torch.rand(len(state), int(disc.sum()), generator=self.generator) - 0.5
        state[:, disc] = noise if kind < NOISY else 0.0

    def put_back(self, index: Tensor, state: Tensor) -> None:
        """Store what became of a batch, of all processes. States that blew up start anew."""
        index, state = index.cpu(), state.detach().cpu().clone()  # the pool is not on a GPU
        blown = blown_up(state)
        if blown.any():
            state[blown] = self.seeds(index[blown], state.shape[-1])
        self.states[index] = state

    def seeds(self, index: Tensor, side: int) -> Tensor:
        """What the states at some places of the pool start from, [B] -> [B, C, side, side]."""
        seed = int(torch.randint(2**31, (), generator=self.generator))
        return self.rule.seed(len(index), side, side, seed=seed)

    def state_dict(self) -> dict[str, Any]:
        """States, progress and the generator's own state."""
        return {
            "states": self.states.clone(),
            "progress": self.progress,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        self.states, self.progress = state["states"].clone(), state["progress"]
        self.generator.set_state(state["generator"])


BLOWN_UP = 3.0  # healthy states stay near [-1, 1]; nothing returns from this far


def blown_up(state: Tensor) -> Tensor:
    """Tell which states are beyond help, [B, C, H, W] -> [B] bool; NaN counts too."""
    return ~(state.detach().abs().amax((1, 2, 3)) < BLOWN_UP)


class KeepPool(Callback):
    """Put what became of a batch back into its pool, and tell the pool how far the training is."""

    essential = True

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def after_batch(self, learner: Learner) -> None:
        """See above."""
        engine = learner.engine
        self.pool.put_back(
            engine.gather(learner.batch.index), engine.gather(learner.prediction.detach())
        )
        self.pool.progress = learner.progress
