"""Options in a file."""

import json
from pathlib import Path

import pytest
from PIL import Image

from nca.cli import COMMANDS, main
from nca.commands.config import with_config
from nca.commands.parsing import parse, train_defaults
from nca.options import flatten
from nca.texture.settings import TrainSettings, train_settings
from nca.training.folder import recorded


def settings_by(*words: str) -> TrainSettings:
    given = with_config(words, train_defaults)
    settings = parse("train", TrainSettings, given, train_defaults(given))
    assert isinstance(settings, TrainSettings)
    return settings


def test_a_file_is_the_flags_that_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "leaf.toml"
    file.write_text(
        'preset = "full"\nhidden = 32\ncap_gradients = false\n'
        "[pool]\nbatch-size = 8\nsteps = [4, 8]\n[terms]\nsmooth = 0.5\n"
    )
    by_file = settings_by("leaf.png", "--config", str(file), "--out", "leaf")
    by_flags = settings_by(
        "leaf.png", "--out", "leaf", "--preset", "full", "--hidden", "32", "--no-cap-gradients",
        "--batch-size", "8", "--steps", "4", "8", "--terms", "smooth", "0.5",
    )  # fmt: skip
    assert by_file == by_flags
    assert by_file.rule.channels == 12


def test_flags_win_and_positional_words_stay(tmp_path: Path) -> None:
    file = tmp_path / "leaf.toml"
    file.write_text('hidden = 32\nlog = ["tensorboard"]\n')
    settings = settings_by("leaf.png", f"--config={file}", "--hidden", "16", "--out", "leaf")
    assert settings.rule.hidden == 16
    assert settings.run.log == ("tensorboard",)
    assert settings.picture == Path("leaf.png")


@pytest.mark.parametrize("preset", ["small", "lesson20"])
def test_the_settings_of_a_run_can_be_given_back(preset: str, tmp_path: Path) -> None:
    settings = train_settings("leaf.png", "leaf", preset, batch_size=3, restore=preset == "small")
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(recorded(settings)))
    again = settings_by("leaf.png", "--config", str(file), "--out", "leaf")
    assert flatten(again) == flatten(settings)


def test_a_run_does_not_pass_on_its_folder_and_its_right_to_overwrite(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    for name in ("overwrite", "resume", "quiet"):
        settings = train_settings("leaf.png", "leaf", batch_size=3, **{name: True})
        file.write_text(json.dumps(recorded(settings)))
        run = settings_by("leaf.png", "--config", str(file), "--out", "other").run
        assert (run.overwrite, run.resume, run.quiet) == (False, False, False)
    (tmp_path / "leaf.toml").write_text("overwrite = true")
    words = ("leaf.png", "--config", str(tmp_path / "leaf.toml"), "--out", "other")
    assert settings_by(*words).run.overwrite


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hiden = 3", "there is no option 'hiden'"),
        ("hidden = ", "Invalid value"),
        ("hidden = 5000", "--hidden 5000: must be 1 to 1024"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "leaf.toml").write_text(text)
    Image.new("RGB", (64, 64)).save(tmp_path / "leaf.png")
    words = ["train", tmp_path / "leaf.png", "--out", tmp_path / "run"]
    assert main([*map(str, words), "--config", str(tmp_path / "leaf.toml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_style_and_ddpm_take_one_too(capsys: pytest.CaptureFixture[str]) -> None:
    takes = [name for name, command in COMMANDS.items() if command.defaults is not None]
    assert takes == ["train", "style", "ddpm train"]
    for name in takes:
        assert main([*name.split(), "--config"]) == 2
        assert "--config: needs the name of a file" in capsys.readouterr().err


def test_the_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "Option --config FILE: Read options from a .toml file" in capsys.readouterr().out
