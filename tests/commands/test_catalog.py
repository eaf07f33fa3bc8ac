"""The options of every command as data."""

import re

import pytest

from nca.cli import COMMANDS, main
from nca.commands.catalog import Option


def catalog(name: str) -> dict[str, Option]:
    """Options of a command by flag; positional ones by the names of their fields."""
    options = COMMANDS[name].options()
    return {flag: option for option in options for flag in option.flags or (option.name,)}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_catalog_has_the_flags_of_the_help(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    lines = re.findall(r"^[│| ] (--.*?)(?:  |$)", capsys.readouterr().out, re.MULTILINE)
    flags = {flag for line in lines for flag in re.findall(r"(?:^|, )(--\w[\w-]*)", line)}
    assert flags == {flag for flag in catalog(name) if flag.startswith("--")} - {"--config"}


def test_an_option_has_its_values_default_and_group() -> None:
    options = catalog("train")
    assert options["picture"] == Option(
        (),
        "picture",
        "PATH",
        (),
        None,
        "An image, a folder of images (one rule is trained for each), or a folder with the maps of "
        "a material.",
        "",
    )
    assert options["--preset"].choices == ("tiny", "small", "full", "material", "noise", "lesson20")
    assert options["--from"] is options["--from-rule"]
    assert options["--minutes"].group == ""
    assert (options["--steps"].values, options["--steps"].default) == ("INT INT", "16 32")
    assert options["--no-cap-gradients"].help.startswith("Turn off gradient clipping")
    assert options["--terms"].values == "[NAME WEIGHT ...]"
    assert options["--also"].takes_path
    assert options["--also"].is_list
    assert catalog("export")["--grid"].values == "N|NxN"


def test_lines_of_a_docstring_are_joined() -> None:
    assert catalog("train")["--size"].help == (
        "Width and height to which the image is cropped and scaled, in pixels. Without --decoder, "
        "one pixel is one cell."
    )


def test_options_without_flags_are_not_listed() -> None:
    assert "--border" not in catalog("style")
