"""Undo: a ring of earlier states, stored on the graphics card."""

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
    """A simulation at an earlier time."""

    state: StateBuffer
    owner: Bytes
    fields: Bytes
    step_number: int
    seed: int


class History:
    """Earlier states of a simulation."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._entries: deque[HistoryEntry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def remember(self, simulation: Simulation) -> None:
        """Store the current state; drop the oldest ones if there is no room."""
        state = simulation.state
        size, groups = (state.height, state.width), len(state.textures)
        room = max(2, min(MOST, BUDGET // (16 * groups * state.height * state.width)))
        if len(self._entries) >= room:
            buffer = self._entries.popleft().state
        else:
            buffer = StateBuffer(self._gl, size, groups)
        buffer.copy_from(state)
        owner = simulation.field.owner.copy()
        fields = simulation.fields.texels.copy()
        self._entries.append(
            HistoryEntry(buffer, owner, fields, simulation.step_number, simulation.seed)
        )

    def undo(self, simulation: Simulation) -> bool:
        """Return to the last stored state; False if no state is stored."""
        if not self._entries:
            return False
        moment = self._entries.pop()
        simulation.state.copy_from(moment.state)
        simulation.previous.copy_from(moment.state)
        simulation.field.restore(moment.owner)
        simulation.show_field()
        simulation.write_fields(moment.fields)
        simulation.step_number, simulation.seed = moment.step_number, moment.seed
        moment.state.release()
        return True

    def clear(self) -> None:
        """Drop all states, because the size of the grid or the number of channels has changed."""
        for moment in self._entries:
            moment.state.release()
        self._entries.clear()
