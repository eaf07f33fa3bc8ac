import pytest

from nca.errors import InputError
from tools import grain


def test_the_table_has_a_cell_for_every_way_of_showing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grain, "STEPS", 6)
    monkeypatch.setattr(grain, "EARLIER", 4)
    monkeypatch.setattr("nca.backends.simulate.CALM_AFTER", 3)
    grain.main(["coral"])
    head, line, coral = capsys.readouterr().out.splitlines()
    assert head.count("|") == line.count("|") == coral.count("|") == 7
    cells = [cell.strip() for cell in coral.strip("|").split("|")]
    assert cells[0] == "coral"
    assert len(set(cells)) == 6
    assert all(len(cell.split(" / ")) == 2 for cell in cells[1:])


def test_a_rule_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="velvet"):
        grain.main(["velvet"])
