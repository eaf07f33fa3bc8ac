"""The page of a vote: its pairs and its results, in a real browser."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Page
from torch import Tensor

from nca.errors import InputError
from nca.evaluation.settings import EvalSettings
from nca.evaluation.vote import Pair, image_of, rules_and_images, vote_page, write_vote
from nca.images import data_url, read_square, to_image
from nca.rulefile import save_rule
from tests.helpers.known_rules import decaying, exploding

SIDES = ("old", "new")


def plain(value: float) -> Tensor:
    return torch.full((3, 8, 8), value)


def pairs(count: int = 12) -> list[Pair]:
    """Pairs of plain images: the old side is dark, the new side bright."""
    return [
        Pair(f"texture{i}", plain(0.5), {"old": plain(0.1), "new": plain(0.9)})
        for i in range(count)
    ]


def data_of(page: str) -> Any:
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert text
    return json.loads(text[1])


def picture(path: Path, value: float) -> Path:
    path.parent.mkdir(exist_ok=True)
    image = plain(value)
    image[:, :4] = 0
    to_image(image).resize((64, 64)).save(path)
    return path


def test_order_and_sides_are_by_chance_and_repeat() -> None:
    first, again, other = (data_of(vote_page(pairs(), seed)) for seed in (1, 1, 2))
    assert first == again
    orders = [[pair["texture"] for pair in data["pairs"]] for data in (first, other)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(pair.texture for pair in pairs())
    left = [pair["left"]["side"] for pair in first["pairs"]]
    assert 2 < left.count("old") < 10
    for pair in first["pairs"]:
        assert {pair["left"]["side"], pair["right"]["side"]} == set(SIDES)
        ground = {pair[at]["side"]: pair[at]["picture"] for at in ("left", "right")}
        assert ground["old"] != ground["new"]


def test_folders_are_compared_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, names in {"a": "pqr", "b": "qrs", "targets": "prs"}.items():
        for name in names:
            picture(tmp_path / folder / f"{name}.png", 0.3)
    save_rule(tmp_path / "a" / "q.safetensors", decaying(0.4))
    settings = EvalSettings(
        tmp_path / "a",
        tmp_path / "targets",
        other=tmp_path / "b",
        vote=tmp_path / "vote.html",
        size=64,
    )
    assert write_vote(settings) == tmp_path / "vote.html"
    data = data_of((tmp_path / "vote.html").read_text())
    assert [pair["texture"] for pair in data["pairs"]] == ["r"]
    said = capsys.readouterr().err
    assert all(f"left out: {name}:" in said for name in "pqs")
    with pytest.raises(InputError, match="exists already"):
        write_vote(settings)


def test_two_files_are_compared_whatever_they_are_called(tmp_path: Path) -> None:
    save_rule(tmp_path / "rule.safetensors", decaying(0.4))
    target = picture(tmp_path / "leaf.png", 0.5)
    other = picture(tmp_path / "shot.png", 0.9)
    out = tmp_path / "vote.html"
    write_vote(EvalSettings(tmp_path / "rule.safetensors", target, peer=other, vote=out, size=64))
    (pair,) = data_of(out.read_text())["pairs"]
    assert pair["texture"] == "leaf"
    shot = f"{tmp_path.name}/shot"
    pictures = {pair[at]["side"]: pair[at]["picture"] for at in ("left", "right")}
    assert pictures.keys() == {f"{tmp_path.name}/rule", shot}
    assert pictures[shot] == data_url(to_image(read_square(other, 64)))


def test_the_rules_of_a_folder_of_trainings_are_found(tmp_path: Path) -> None:
    (tmp_path / "leaf").mkdir()
    save_rule(tmp_path / "leaf" / "rule.safetensors", decaying(0.4))
    (tmp_path / "notes.txt").write_text("nothing to see")
    picture(tmp_path / "stone.png", 0.5)
    assert set(rules_and_images(tmp_path)) == {"leaf", "stone"}


def test_what_is_shown_is_what_the_rule_grows_or_the_picture(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 0.3)
    assert torch.equal(image_of(path, 64, 0), read_square(path, 64))
    save_rule(tmp_path / "wild.safetensors", exploding(10))
    wild = image_of(tmp_path / "wild.safetensors", 16, 0)
    assert wild.shape == (3, 16, 16)
    assert 0 <= float(wild.min()) <= float(wild.max()) <= 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"other": Path("nowhere")}, "nowhere: there is no such file or folder"),
        ({"vote": Path()}, "`vote` .: is a folder"),
    ],
)
def test_what_cannot_be_compared_is_named(
    changed: dict[str, Path], words: str, tmp_path: Path
) -> None:
    path = picture(tmp_path / "a.png", 0.3)
    values = {"other": path, "vote": tmp_path / "vote.html"} | changed
    with pytest.raises(InputError, match=re.escape(words)):
        write_vote(EvalSettings(path, path, **values))  # type: ignore[arg-type]


def test_two_folders_without_a_common_name_are_refused(tmp_path: Path) -> None:
    for folder in "ab":
        picture(tmp_path / folder / f"{folder}.png", 0.3)
    settings = EvalSettings(
        tmp_path / "a", tmp_path / "a", other=tmp_path / "b", vote=tmp_path / "vote.html"
    )
    with pytest.raises(InputError, match="have no names in common"):
        write_vote(settings)


def test_a_vote_needs_two_and_a_peer_is_given_once() -> None:
    with pytest.raises(InputError, match="needs a `peer` to compare with"):
        EvalSettings(Path("a"), Path("b"), vote=Path("c"))
    with pytest.raises(InputError, match="the peer is"):
        EvalSettings(Path("a"), Path("b"), peer=Path("c"), other=Path("d"))


@pytest.mark.browser
def test_votes_name_the_sides_truthfully(open_page: Callable[..., Page], tmp_path: Path) -> None:
    """Choose the brighter image by its pixels; one vote is taken back."""
    (tmp_path / "vote.html").write_text(vote_page(pairs(5), 3))
    page = open_page(tmp_path / "vote.html")
    brightness = """id => {
      const picture = document.getElementById(id).querySelector("img");
      const canvas = new OffscreenCanvas(1, 1), draw = canvas.getContext("2d");
      return picture.decode().then(() => {
        draw.drawImage(picture, 0, 0);
        return draw.getImageData(0, 0, 1, 1).data[0];
      });
    }"""
    brighter = []
    for number in range(4):
        assert page.text_content("#count") == f"{number + 1} of 5"
        left, right = (page.evaluate(brightness, side) for side in ("left", "right"))
        assert {left < 100, right < 100} == {True, False}
        brighter.append("left" if left > right else "right")
        if number == 1:
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Backspace")
        page.keyboard.press("ArrowLeft" if left > right else "ArrowRight")
    assert len(set(brighter)) == 2
    page.click("#equal")
    assert page.is_hidden("#ballot")
    with page.expect_download() as download:
        page.click("#save")
    result = json.loads(download.value.path().read_text())
    assert download.value.suggested_filename == "votes.json"
    assert result["wins"] == {"old": 0, "new": 4}
    assert result["equal"] == 1
    assert [vote["choice"] for vote in result["votes"]] == [*brighter, "equal"]
    for vote in result["votes"][:4]:
        assert vote["preferred"] == vote[vote["choice"]] == "new"
    assert result["votes"][4]["preferred"] is None
    assert len({vote["texture"] for vote in result["votes"]}) == 5
    page.keyboard.press("ArrowLeft")  # nothing is left to vote on
    assert page.text_content("#wins") == "old0new4equal1"
