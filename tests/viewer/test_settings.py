"""The viewer's settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from nca.cli import main
from nca.commands.parsing import parse
from nca.errors import InputError
from nca.options import parse_size
from nca.viewer.settings import ViewSettings, view_settings

RULE = (Path("a.safetensors"),)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"grid": "3x4"}, "`grid` 3x4: width and height must be 4 to 8192"),
        ({"grid": "x"}, "`grid` x: must be WIDTHxHEIGHT"),
        ({"size": "10x4000"}, "`size` 10x4000"),
        ({"steps_per_frame": 0.1}, "`steps_per_frame` 0.1: must be 0.125 to 1024"),
        ({"input_strength": 1.5}, "`input_strength` 1.5: must be 0 to 1"),
        ({"update_rate": 0.0}, "`update_rate` 0.0: must be 0.001 to 1"),
        ({"headless": True}, "`headless` needs `steps`"),
        ({"headless": True, "steps": -1}, "`steps` -1"),
        ({"headless": True, "steps": 1, "wait": True}, "`wait` is for the window"),
        ({"state_out": Path("a.npz")}, "`state_out` needs `headless`"),
        ({"seed": 2**32}, "`seed` 4294967296"),
    ],
)
def test_values_out_of_range_are_named(values, text):
    with pytest.raises(InputError) as caught:
        view_settings(*RULE, **values)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_too_many_rules():
    with pytest.raises(InputError, match="17 rules"):
        ViewSettings(RULE * 17)


def test_flags_are_made_from_the_fields():
    arguments = [
        "a.safetensors",
        "b.safetensors",
        "--grid",
        "64x32",
        "--no-watch",
        "--view",
        "change",
    ]
    settings = parse("view", ViewSettings, arguments)
    assert settings.rules == (Path("a.safetensors"), Path("b.safetensors"))
    assert parse_size("grid", settings.grid, 4, 8192) == (64, 32)
    assert not settings.window.watch
    assert settings.display.view == "change"


def test_settings_import_nothing_heavy():
    code = (
        "import sys, nca.viewer.settings\n"
        "heavy = {'torch', 'numpy', 'moderngl', 'glfw', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_help_of_a_flag_that_switches_off_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        main(["view", "--help"])
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--no-vsync Draw as often as possible, not at the refresh rate. --" in words
    assert "--no-watch Do not reload rule files when they change. --" in words
