from pathlib import Path

import pytest

from nca.errors import InputError
from nca.rulefile import save_rule
from tests.helpers.known_rules import decaying, exploding
from tools import looks
from tools.pictures import draw


def test_the_table_has_a_line_for_every_rule_with_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "STOPS", (10, 20))
    for folder in ("rules", "pictures"):
        (tmp_path / folder).mkdir()
    for name in ("calm", "wild"):
        draw("coral", 64).save(tmp_path / "pictures" / f"{name}.png")
    save_rule(tmp_path / "rules" / "calm.safetensors", decaying(0.4))
    save_rule(tmp_path / "rules" / "wild.safetensors", exploding(1e10))
    save_rule(tmp_path / "rules" / "alone.safetensors", decaying(0.4))
    looks.main(tmp_path / "rules", tmp_path / "pictures")
    head, line, calm, wild = capsys.readouterr().out.splitlines()
    assert (
        head == "| rule after 10 / 20 steps | patch | speckle | order | misplaced | orientation |"
    )
    assert line.count("---") == head.count("|") - 1 == 6
    cells = [cell.strip() for cell in calm.strip("|").split("|")]
    assert cells[0] == "calm"
    assert len(cells) == 6
    assert all(len(cell.split(" / ")) == 2 for cell in cells[1:])
    assert wild.count("blew up") == 5


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        looks.main(tmp_path / "nowhere", tmp_path)
