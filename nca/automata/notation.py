"""The notations of classic automata, and their names.

Every cell has a numbered state, 0 to ``states - 1``, and sees its eight neighbors.
"""

import difflib
import re
from dataclasses import dataclass
from typing import TypeAlias

from nca.errors import InputError

MAX_NEIGHBORS = 8
MAX_STATES = 256  # of a totalistic automaton, as in Golly
MAX_CYCLIC_STATES = 48  # one channel for each


@dataclass(frozen=True)
class Totalistic:
    """Life, its relatives and Generations, where only the number of living neighbors matters.

    State 0 is dead, 1 is alive. A dying cell passes through 2, 3 and so on, and does not count as
    living.

    Attributes:
        birth: numbers of living neighbors with which a dead cell becomes alive.
        survival: numbers of living neighbors with which a living cell stays alive; otherwise, it
            begins to die.
        states: number of states; 2 for Life and its relatives, where a cell dies at once.
    """

    birth: frozenset[int]
    survival: frozenset[int]
    states: int = 2

    def __str__(self) -> str:
        born, kept = ("".join(map(str, sorted(part))) for part in (self.birth, self.survival))
        return f"B{born}/S{kept}" + (f"/C{self.states}" if self.states > 2 else "")


@dataclass(frozen=True)
class Cyclic:
    """Cyclic automata (Griffeath): each state is replaced by the next, the last one by the first.

    Attributes:
        threshold: number of neighbors that must be in the next state before a cell moves on to it.
        states: number of states.
    """

    threshold: int
    states: int

    def __str__(self) -> str:
        return f"R1/T{self.threshold}/C{self.states}"


Automaton: TypeAlias = Totalistic | Cyclic


@dataclass(frozen=True)
class Named:
    """An automaton with a name.

    Attributes:
        notation: the notation, in a form that :func:`parse_automaton` reads.
        about: what the automaton does.
        density: fraction of living cells that suits the automaton; None: the default.
    """

    notation: str
    about: str
    density: float | None = None


NAMES = {
    "life": Named("B3/S23", "Conway's Life"),
    "highlife": Named("B36/S23", "like Life, with a pattern that copies itself"),
    "day-and-night": Named("B3678/S34678", "dead and living cells follow the same rule", 0.5),
    "seeds": Named("B2/S", "every cell dies at once, yet patterns grow", 0.05),
    "2x2": Named("B36/S125", "blocks of 2x2 cells follow a rule of their own"),
    "morley": Named("B368/S245", "also called Move: many slow gliders"),
    "maze": Named("B3/S12345", "grows a maze", 0.1),
    "coral": Named("B3/S45678", "grows slowly, with a rough edge"),
    "majority": Named("B5678/S45678", "a cell joins the majority of the nine that it sees", 0.5),
    "anneal": Named("B4678/S35678", "a majority rule whose areas melt together", 0.5),
    "diamoeba": Named("B35678/S5678", "areas that swell and shrink", 0.5),
    "brians-brain": Named("B2/S/C3", "a living cell always dies, and rests for a step"),
    "star-wars": Named("B2/S345/C4", "ships, guns and fleets", 0.15),
    "spirals": Named("B234/S2/C5", "dense angular spirals", 0.1),
    "bombers": Named("B24/S345/C25", "ships with long trails"),
    "cyclic": Named("R1/T1/C14", "fourteen states: first debris, then spirals"),
    "cyclic-spirals": Named("R1/T3/C4", "four states, broad spirals"),
    "cyclic-313": Named("R1/T3/C3", "three states, turbulent waves"),
}

_BS = re.compile(r"B([0-8]*)/S([0-8]*)(?:/[CG]?(\d{1,4}))?", re.IGNORECASE)
_SB = re.compile(r"([0-8]*)/([0-8]*)(?:/(\d{1,4}))?")
_CYCLIC = re.compile(r"R(\d{1,3})/T(\d{1,3})/C(\d{1,4})(?:/NM)?", re.IGNORECASE)


def parse_automaton(text: str) -> Automaton:
    """Read a name or a notation.

    Examples of notations are ``B36/S23``, ``B2/S345/C4``, ``R1/T3/C4``, and the older forms
    ``23/3`` and ``/2/3``.

    Raises:
        InputError: the text is neither, or a number is out of bounds.
    """
    named = NAMES[text.lower()].notation if text.lower() in NAMES else text
    if match := _BS.fullmatch(named):
        return _totalistic(match[1], match[2], match[3], text)
    if match := _SB.fullmatch(named):
        return _totalistic(match[2], match[1], match[3], text)
    if match := _CYCLIC.fullmatch(named):
        return _cyclic(int(match[1]), int(match[2]), int(match[3]), text)
    near = difflib.get_close_matches(text.lower(), NAMES, n=1)
    meant = f"; did you mean {near[0]}?" if near else "; `list` shows the names"
    raise InputError(
        f"automaton {text}: must be a name, or a notation like B36/S23 or R1/T3/C4{meant}"
    )


def _totalistic(birth: str, survival: str, states: str | None, text: str) -> Totalistic:
    count = int(states or 2)
    if not 2 <= count <= MAX_STATES:
        raise InputError(
            f"automaton {text}: the number of states must be 2 to {MAX_STATES}, not {count}"
        )
    return Totalistic(frozenset(map(int, birth)), frozenset(map(int, survival)), count)


def _cyclic(reach: int, threshold: int, states: int, text: str) -> Cyclic:
    if reach != 1:
        raise InputError(f"automaton {text}: the range must be R1; cells see only their neighbors")
    if not 1 <= threshold <= MAX_NEIGHBORS:
        raise InputError(f"automaton {text}: the threshold T must be 1 to {MAX_NEIGHBORS}")
    if not 3 <= states <= MAX_CYCLIC_STATES:
        raise InputError(
            f"automaton {text}: the number of states C must be 3 to {MAX_CYCLIC_STATES}"
        )
    return Cyclic(threshold, states)
