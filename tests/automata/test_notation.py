"""Notations of classic automata."""

import pytest

from nca.automata.notation import NAMES, parse_automaton
from nca.errors import InputError


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("life", "B3/S23"),
        ("Brians-Brain", "B2/S/C3"),
        ("b63/s32", "B36/S23"),
        ("B33/S", "B3/S"),
        ("23/3", "B3/S23"),
        ("/2/3", "B2/S/C3"),
        ("B2/S345/4", "B2/S345/C4"),
        ("B2/S345/G4", "B2/S345/C4"),
        ("B3/S23/C2", "B3/S23"),
        ("r1/t3/c4/nm", "R1/T3/C4"),
    ],
)
def test_a_notation_is_read(text: str, meaning: str) -> None:
    assert str(parse_automaton(text)) == meaning


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a name"),
        ("lfie", "did you mean life?"),
        ("B9/S23", "must be a name, or a notation like B36/S23"),
        ("B3/S23V", "must be a name"),
        ("B3/S23\n", "must be a name"),
        ("B\u0663/S23", "must be a name"),
        ("B3/S23/C1", "states must be 2 to 256, not 1"),
        ("B3/S23/C257", "states must be 2 to 256, not 257"),
        ("R2/T3/C4", "the range must be R1; cells see only their neighbors"),
        ("R1/T0/C4", "threshold T must be 1 to 8"),
        ("R1/T9/C4", "threshold T must be 1 to 8"),
        ("R1/T1/C2", "states C must be 3 to 48"),
        ("R1/T1/C49", "states C must be 3 to 48"),
    ],
)
def test_another_text_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_automaton(text)


def test_every_name_is_a_notation() -> None:
    assert all(str(parse_automaton(name)) == each.notation for name, each in NAMES.items())
    assert all(name == name.lower() for name in NAMES)
