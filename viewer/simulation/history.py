"""Undo: a ring of earlier states, kept on the graphics card."""

from collections import deque
from dataclasses import dataclass

import moderngl

from nca.gl.buffers import StateBuffer
from nca.viewer.simulation.field import Bytes
from nca.viewer.simulation.simulation import Simulation

BUDGET = 256 * 2**20  # bytes
MOST = 64


@dataclass
class HistoryEntry:
    """A simulation at one time."""

    state: StateBuffer
    owner: Bytes
    step_number: int
    seed: int


class History:
    """What a simulation can go back to."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._entries: deque[HistoryEntry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def remember(self, simulation: Simulation) -> None:
        """Keep the state as it is; the oldest is forgotten when there is no room."""
        state = simulation.state
        size, groups = (state.height, state.width), len(state.textures)
        room = max(2, min(MOST, BUDGET // (16 * groups * state.height * state.width)))
        if len(self._entries) >= room:
            buffer = self._entries.popleft().state
        else:
            buffer = StateBuffer(self._gl, size, groups)
        buffer.copy_from(state)
        owner = simulation.field.owner.copy()
        self._entries.append(HistoryEntry(buffer, owner, simulation.step_number, simulation.seed))

    def undo(self, simulation: Simulation) -> bool:
        """Go back to what was remembered last; False: there is nothing."""
        if not self._entries:
            return False
        moment = self._entries.pop()
        simulation.state.copy_from(moment.state)
        simulation.previous.copy_from(moment.state)
        simulation.field.restore(moment.owner)
        simulation.show_field()
        simulation.step_number, simulation.seed = moment.step_number, moment.seed
        moment.state.release()
        return True

    def clear(self) -> None:
        """Forget all: the grid has another size, or the state other channels."""
        for moment in self._entries:
            moment.state.release()
        self._entries.clear()
