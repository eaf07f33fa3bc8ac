"""The sample pool: states that keep growing from iteration to iteration.

Thanks to the pool, a rule also learns from states that are many steps old, although one unroll has
only a few dozen steps (Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nca.rng import random_masks
from nca.rule import Rule
from nca.texture.delayed import Delayed

if TYPE_CHECKING:
    from nca.texture.settings import PoolSettings


@dataclass(frozen=True)
class Draw:
    """A batch of states.

    Attributes:
        index: places of the states in the pool, [B].
        state: the states, [B, C, H, W].
        masks: cells that fire in each step, [steps, B, H, W] bool.
    """

    index: Tensor
    state: Tensor
    masks: Tensor


NOISY = 0.5  # fraction of the damaged discs that are filled with noise
AGE = 1000  # number of steps by which a state ages

Simulate = Callable[[Tensor, int, int], Tensor]
"""``simulate(state, steps, seed)`` runs states, [B, C, H, W], for many steps."""


class Pool:
    """An endless source of batches; later in training, grids are larger and unrolls longer.

    ::

        pool = Pool(Rule(RuleSettings()), PoolSettings(), torch.Generator())
        batch = pool.draw()
        pool.put_back(batch.index, unroll(batch.state, rule, batch.masks))

    Args:
        rule: defines the channels and the initial state; the states are stored on its device.
        settings: sizes, and how often states are reset, damaged or aged.
        generator: source of all random numbers.
        simulate: runs states without learning (see ``aging_rate``); None: states do not age.
        rank, processes: index of this process, and number of processes. Each process has the whole
            pool, draws the same batch of ``processes * batch_size`` states, and uses its part.

    Attributes:
        progress: fraction of training that is done; kept up to date by the training.
    """

    def __init__(
        self,
        rule: Rule,
        settings: "PoolSettings",
        generator: torch.Generator,
        *,
        simulate: Simulate | None = None,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.rule, self.settings, self.generator = rule, settings, generator
        self.simulate = simulate
        self.mine = slice(rank * settings.batch_size, (rank + 1) * settings.batch_size)
        self.drawn = processes * settings.batch_size
        self.progress = 0.0
        self.device = rule.filters.device
        self._blown = Delayed()
        self.states = self.initial_states(self._places(), settings.unroll.grid)

    def __iter__(self) -> Iterator[Draw]:
        while True:
            yield self.draw()

    @torch.no_grad()
    def draw(self) -> Draw:
        """Draw a batch, with some of its states reset or damaged."""
        settings, unroll = self.settings, self.settings.unroll
        late = self.progress >= unroll.late_from
        side = unroll.late_grid if late else unroll.grid
        if side != self.states.shape[-1]:
            self.states = self.initial_states(self._places(), side)
        index = self.pick().to(self.device, non_blocking=True)
        state = self.states[index]
        self.disturb(index, state)
        if late and settings.aging_rate and self.simulate is not None:
            self._age(state, self.simulate)
        least, most = unroll.late_steps if late else unroll.steps
        steps = int(torch.randint(least, most + 1, (), generator=self.generator))
        rate = self.rule.settings.update_rate
        masks = random_masks(steps, len(state), side, side, rate, self.generator, self.device)
        return Draw(index[self.mine], state[self.mine], masks[:, self.mine])

    def _age(self, state: Tensor, simulate: Simulate) -> None:
        """Age a state in the middle of a batch, [B, C, H, W], with probability ``aging_rate``.

        A rule that was trained only on states a few hundred steps old may lose its colors after
        thousands of steps.
        """
        chance = float(torch.rand((), generator=self.generator))
        seed = int(torch.randint(2**31, (), generator=self.generator))
        if chance < self.settings.aging_rate:
            middle = len(state) // 2  # the first state may be reset, the last one damaged
            old = simulate(state[middle : middle + 1], AGE, seed)
            # Branching on a blow-up would wait for the GPU.
            state[middle] = torch.where(blown_up(old)[:, None, None], state[middle], old[0])

    def pick(self) -> Tensor:
        """Draw the pool places of a batch, for all processes, [processes * batch_size]."""
        return torch.randperm(self.settings.pool_size, generator=self.generator)[: self.drawn]

    def disturb(self, index: Tensor, state: Tensor) -> None:
        """At random, reset the first state of a batch, and damage the last one.

        Args:
            index: [B], places of the states in the pool.
            state: [B, C, H, W], changed in place.
        """
        if float(torch.rand((), generator=self.generator)) < self.settings.reset_rate:
            state[:1] = self.initial_states(index[:1], state.shape[-1])
        if float(torch.rand((), generator=self.generator)) < self.settings.damage_rate:
            self._damage(state[-1])

    def _damage(self, state: Tensor) -> None:
        """Erase a disc of a state, [C, H, W], or fill the disc with noise; its size is random."""
        side = state.shape[-1]
        x, y, size, kind = torch.rand(4, generator=self.generator).tolist()
        along = torch.arange(side) / side
        # Take the shorter way around the torus.
        dx, dy = ((along - place + 0.5) % 1 - 0.5 for place in (x, y))
        disc = dx.square() + dy[:, None].square() < (0.03 + 0.095 * size) ** 2
        noise = torch.rand(len(state), int(disc.sum()), generator=self.generator) - 0.5
        filling = torch.zeros(state.shape, pin_memory=state.is_cuda)
        if kind < NOISY:
            filling[:, disc] = noise
        # Indexing by the disc would wait for the GPU.
        disc, filling = (part.to(state.device, non_blocking=True) for part in (disc, filling))
        state.copy_(torch.where(disc, filling, state))

    def put_back(self, index: Tensor, state: Tensor) -> None:
        """Store the states of all processes' batches.

        States that blew up are reset; on a GPU this happens a few iterations later.
        """
        self.states[index] = state.detach()
        known = self._blown.read(index, blown_up(state))
        if known is not None and known[1].any():
            places = known[0][known[1]].to(self.device)
            self.states[places] = self.initial_states(places, self.states.shape[-1])

    def _places(self) -> Tensor:
        return torch.arange(self.settings.pool_size, device=self.device)

    def initial_states(self, index: Tensor, side: int) -> Tensor:
        """Create initial states for places of the pool, [B] -> [B, C, side, side]."""
        seed = int(torch.randint(2**31, (), generator=self.generator))
        return self.rule.initial_state(len(index), side, side, seed=seed)

    def state_dict(self) -> dict[str, Any]:
        """States (not copied), progress and the state of the generator."""
        return {
            "states": self.states,
            "progress": self.progress,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.states, self.progress = state["states"].to(self.device, copy=True), state["progress"]
        self.generator.set_state(state["generator"])


BLOWN_UP = 3.0  # normal states stay near [-1, 1]; states never recover from larger values


def blown_up(state: Tensor) -> Tensor:
    """Find states with a value outside [-3, 3] or NaN, [B, C, H, W] -> [B] bool."""
    return ~(state.detach().abs().amax((1, 2, 3)) < BLOWN_UP)
