import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from nca.cli import COMMANDS, main
from nca.images import to_image
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from tests.helpers.waiting import PATIENCE

ROOT = Path(__file__).parents[1]
QUICK = ("--size", "32", "--grid", "16", "--late-grid", "16", "--pool-size", "8", "--quiet")

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    waves = np.sin(np.mgrid[0:64, 0:64].sum(0) / 3)[..., None] * [90, 60, 30] + 128
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "waves.png")
    return tmp_path / "waves.png"


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    rule = Rule(RuleSettings(), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rule.w2.normal_(0, 0.05, generator=torch.Generator().manual_seed(0))
    save_rule(tmp_path / "rule.safetensors", rule, {"license": "CC0"})
    return tmp_path / "rule.safetensors"


def nca(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "nca", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


def test_help_is_there_at_once_because_nothing_heavy_is_imported() -> None:
    probe = "import sys, nca.cli; nca.cli.main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True,
                          check=True)  # fmt: skip
    for heavy in ("'torch'", "'moderngl'", "'matplotlib'", "'numpy'"):
        assert heavy not in done.stdout
    for name in COMMANDS:
        assert f"  {name}" in done.stdout


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*name.split(), "--help"])
    assert stop.value.code == 0
    assert f"usage: nca {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_names_values_plainly_and_shows_only_defaults_that_say_something(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for fault in ("None", "(default: )", "(default: False)", "[["):
        assert fault not in shown


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("train", "nca train --out PATH [-h] [OPTIONS]"),
        ("ddpm train", "nca ddpm train --data PATH|NAME --out PATH [-h] [OPTIONS]"),
        ("import", "nca import [-h] FILE --out PATH [--overwrite]"),
        ("export", "nca export [-h] [OPTIONS]"),
    ],
)
def test_the_usage_line_shows_what_is_required(
    name: str, usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    assert capsys.readouterr().out.startswith(f"usage: {usage}")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_flag_that_switches_off_says_what_it_does(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    help_text = re.sub(r"[^\S ]|[│]", " ", capsys.readouterr().out)
    for flag, text in re.findall(r"(--no-[a-z-]+) +(.*?) {2,}--", help_text):
        assert re.match("Do not|Draw as often|Turn off", text), flag
        assert "(default: True)" not in text, flag


def test_all_flags_are_those_of_the_list(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    found = {}
    for name in COMMANDS:
        with pytest.raises(SystemExit):
            main([*name.split(), "--help"])
        flags = re.findall(r"(?:^|  |│ |, )(--[a-z][a-z0-9-]*)", capsys.readouterr().out)
        found[name] = sorted(set(flags) - {"--help"})
    assert found == json.loads((GOLDEN / "flags.json").read_text())


@pytest.mark.parametrize("name", ["train", "style", "ddpm train", "view", "export"])
def test_help_has_short_groups_and_what_everybody_needs_first(
    name: str,
) -> None:
    environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    shown = nca(*name.split(), "--help", env=environment, encoding="utf-8").stdout
    groups = re.findall(r"^╭.*?^╰", shown, re.MULTILINE | re.DOTALL)
    lines = {group.split("\n")[0]: group.count("\n") + 1 for group in groups}
    assert len(lines) > 2
    assert {title: count for title, count in lines.items() if count >= 20} == {}
    first = next(group for group in groups if group.startswith("╭─ options"))
    needed = {
        "train": ["--out", "--preset", "--minutes"],
        "style": ["--out", "--preset"],
        "ddpm train": ["--data", "--out", "--preset", "--minutes"],
        "view": ["--grid", "--steps-per-frame"],
        "export": ["--out", "--to"],
    }
    assert [flag for flag in needed[name] if f"{flag} " not in first] == []


def test_help_shows_the_defaults_of_the_preset(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--preset", "full"], ["--preset=full"]):
        with pytest.raises(SystemExit):
            main(["train", *words, "--help"])
        assert re.search(r"--hidden INT [^-]*\(default:\s[^-]*96\)", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "no command 'trian'; the commands are train,"),
        (["train"], "nca: train needs PICTURE and --out PATH; see nca train --help"),
        (["train", "a.png"], "nca: train needs --out PATH; see"),
        (["view", "--seed"], "Missing value for argument '--seed'. Expected 1 values; see"),
        (["train", "a.png", "--out", "x", "--size", "big"], "--size: invalid literal"),
        (["train", "a.png", "--out", "x", "--size", "5"], "--size 5: must be 32 to 1024"),
        (
            ["train", "a.png", "--out", "x", "--iterations", "9k"],
            "parsing --iterations: '9k' is not of the kind INT; see",
        ),
        (["train", "a.png", "--out", "x", "--sise", "5"], "Unrecognized options: --sise"),
        (["train", "a.png", "--out", "x", "--preset", "huge"], "invalid choice 'huge'"),
        (["train", "none.png", "--out", "x"], "cannot read none.png: No such file"),
        (["render", "none", "--out", "x.png"], "cannot read none: No such file"),
        (["render", "none", "--out", "x.png", "--size", "0x4"], "--size 0x4: width and height"),
        (["render", "none", "--out", "x.png", "--every", "0"], "--every 0: must be 1 or more"),
        (["info", "/"], "/ is a folder"),
        (["demo", "--picture", "nothing"], "nothing"),
    ],
)
def test_wrong_use_gets_one_line_and_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.startswith("nca: ")
    assert "Settings" not in captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_a_reader_that_has_had_enough_is_no_error(words: list[str]) -> None:
    command = [sys.executable, "-m", "nca", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_debug_shows_where_an_error_is(tmp_path: Path) -> None:
    assert "Traceback" not in nca("info", tmp_path / "none").stderr
    assert "Traceback" in nca("info", tmp_path / "none", "--debug").stderr


@pytest.mark.slow
def test_train_then_info_then_render(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = nca("train", picture, "--out", out, "--preset", "tiny", "--iterations", "6", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "preview.png" in done.stdout
    assert "training 100%" in done.stderr
    output = json.loads(nca("info", out / "rule.safetensors", "--json").stdout)
    assert output["weights"] == 168
    assert output["training"]["target"] == "waves.png"
    again = nca("train", picture, "--out", out, "--iterations", "6", *QUICK)
    assert again.returncode == 2
    assert "use --overwrite or --resume" in again.stderr


def test_info_is_readable(rule: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(rule)]) == 0
    said = capsys.readouterr().out
    assert "8 channels, 32 hidden, 4 filters: 1,312 weights" in said
    assert "calm" not in said
    file = load_rule(rule)
    save_rule(rule, file.rule.with_settings(calm=True), file.info)
    assert main(["info", str(rule)]) == 0
    assert "  calm: from step 300 on, all cells update" in capsys.readouterr().out


LIES = {
    "file": "other", "bytes": "many", "weights": [], "filters": 7, "backends": None,
    "settings": {"channels": 9}, "author": "\x1b[2J\nweights: 9", "license": ["\x9b"],
    "training": {"target": "\x1b]0;owned\x07", "iterations": 10**400, "seconds": {}},
}  # fmt: skip


@pytest.mark.parametrize("training", [LIES["training"], None, 5, "long", [1]])
def test_info_believes_no_field_of_a_rule_file(
    training: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.safetensors"
    save_rule(path, Rule(RuleSettings()), LIES | {"training": training})
    assert main(["info", str(path), "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert (output["file"], output["bytes"]) == (str(path), path.stat().st_size)
    assert (output["weights"], len(output["filters"])) == (1312, 4)
    assert output["settings"]["channels"] == 8
    assert {backend["name"] for backend in output["backends"]} == {"torch", "native", "triton"}
    assert output["training"] == training
    assert main(["info", str(path)]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert r"  author: \x1b[2J\nweights: 9" in lines


def test_odd_file_names_are_shown_by_their_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/bl\xe4tt\x1b[2J.safetensors"))
    assert main(["info", str(path)]) == 2
    assert r"bl\udce4tt\x1b[2J.safetensors: No such file" in capsys.readouterr().err
    save_rule(path, Rule(RuleSettings(4, 8)))
    assert main(["info", str(path)]) == 0
    assert r"bl\udce4tt\x1b[2J.safetensors: " in capsys.readouterr().out


def test_eval_says_how_far_it_ran(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = [{"steps": 100, "patch": 2.0}, {"steps": 10_000, "patch": 1.23456}]
    found = [
        SimpleNamespace(name="ours", figures={"verdict": "stable", "run": run}),
        SimpleNamespace(name="dead", figures={"verdict": "blew up before 100 steps", "run": []}),
    ]
    monkeypatch.setattr("nca.evaluation.vote.evaluate", lambda _: found)
    out = tmp_path / "report.html"
    assert main(["eval", "rule.safetensors", "--target", "a.png", "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ours: stable; patch distance 1.23 after 10,000 steps",
        "dead: blew up before 100 steps",
        str(out),
    ]


@pytest.mark.parametrize("engine", ["torch", "native", pytest.param("gl", marks=pytest.mark.gl)])
def test_render_gives_the_same_picture_as_the_reference(
    rule: Path, tmp_path: Path, engine: str
) -> None:
    out = tmp_path / "a.png"
    words = ["render", str(rule), "--out", str(out), "--size", "40x24", "--steps", "20"]
    assert main([*words, "--seed", "3", "--scale", "2", "--engine", engine]) == 0
    reference = load_rule(rule).rule
    state = reference(reference.initial_state(1, 24, 40), 20, seed=3)
    expected = np.asarray(to_image(reference.to_rgb(state)[0]), dtype=int)
    with Image.open(out) as image:
        assert image.size == (80, 48)
        got = np.asarray(image, dtype=int)[::2, ::2]
    assert expected.std() > 1
    assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".apng"])
def test_render_makes_animations(rule: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"a{suffix}"
    words = ["render", str(rule), "--out", str(out), "--size", "32", "--steps", "40"]
    assert main([*words, "--every", "10"]) == 0
    with Image.open(out) as image:
        assert len(ImageSequence.all_frames(image)) == 5
        assert image.size == (32, 32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_and_resume_goes_on(
    picture: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "run"
    words = [sys.executable, "-m", "nca", "train", str(picture), "--out", str(out), *QUICK]
    process = subprocess.Popen(
        [*words, "--iterations", "100000"], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").stat().st_size:
        assert time.monotonic() < deadline, "no metrics"
        time.sleep(0.1)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == code, complaint
    assert "Traceback" not in complaint
    assert (out / "checkpoint.pt").exists()
    rows = (out / "metrics.jsonl").read_text().splitlines()
    done = nca("train", picture, "--out", out, "--resume", *QUICK,
               "--iterations", str(json.loads(rows[-1])["iteration"] + 25))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (out / "rule.safetensors").exists()
