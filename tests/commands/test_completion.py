"""The scripts that complete words in bash, zsh and fish, sourced in these shells."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nca.cli import COMMANDS, main
from tests.conftest import absent
from tests.helpers.waiting import PATIENCE

BASH = """
source {script}
ask() {{
  COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nca; printf '%s\\n' "${{COMPREPLY[@]}}"
  if [ -z "$COMPREPLY" ] && [[ $(complete -p nca) == *"-o default"* ]]; then
    compgen -f -- "${{@: -1}}"  # as bash does on its own
  fi
}}
ask {words}
"""
ZSH = r"""
PS1=; unsetopt beep; autoload -Uz compinit; compinit -u -D; source {script}
bindkey '^Y' list-choices; LISTMAX=0; PS1=rea""dy
"""


def ask_bash(script: Path, line: str) -> list[str]:
    *words, last = line.split(" ")
    asked = BASH.format(script=script, words=" ".join([*words, f"'{last}'"]))
    done = subprocess.run(["bash", "-c", asked], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def ask_fish(script: Path, line: str) -> list[str]:
    asked = f"source {script}; complete -C '{line}'"
    done = subprocess.run(["fish", "-N", "-c", asked], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return [found.split("\t")[0] for found in done.stdout.splitlines()]


def ask_zsh(script: Path, line: str) -> list[str]:
    """zsh completes only on a terminal: the words that it lists there."""
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "300", "LINES": "100"}
    zsh = subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment,
        start_new_session=True,
    )
    try:
        os.write(ours, ZSH.format(script=script).encode())
        read_until(ours, "ready")  # the prompt: keys now go to the line editor
        os.write(ours, f"{line}\x19\x15echo do''ne\n".encode())
        shown = read_until(ours, "\ndone")
    finally:
        zsh.kill()
        zsh.wait()
        os.close(its)
        os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).partition("\n")[2].split()


def read_until(terminal: int, end: str) -> str:
    """What a terminal shows up to a text."""
    shown, last = "", time.monotonic() + PATIENCE
    while end not in shown.replace("\r", ""):
        assert time.monotonic() < last, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown.replace("\r", "")


SHELLS: dict[str, Callable[[Path, str], list[str]]] = {
    "bash": ask_bash,
    "zsh": ask_zsh,
    "fish": ask_fish,
}


@pytest.fixture(params=SHELLS)
def complete(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], list[str]]:
    """What a shell that has read its script offers for a line."""
    shell = request.param
    if shutil.which(shell) is None:
        absent(shell)
    assert main(["--print-completion", shell]) == 0
    script = tmp_path / f"nca.{shell}"
    script.write_text(capsys.readouterr().out)
    return lambda line: SHELLS[shell](script, line)


@pytest.mark.parametrize(
    ("line", "some", "others"),
    [
        ("nca ", {name.split()[0] for name in COMMANDS}, {"--out"}),
        ("nca ddpm ", {"train", "sample", "fid"}, {"view"}),
        ("nca style ", {"visualize", "reconstruct"}, {"train"}),
        ("nca train --pre", {"--preset", "--presets", "--precision"}, {"--out"}),
        ("nca ddpm train --preset ", {"small", "lesson20", "lesson"}, {"tiny"}),
        ("nca style visualize --", {"--layer", "--out"}, {"--content-weight"}),
        ("nca export --to w", {"web-component", "wgsl"}, {"html"}),
        ("nca --print-completion ", set(SHELLS), {"train"}),
    ],
)
def test_words_are_completed(
    complete: Callable[[str], list[str]], line: str, some: set[str], others: set[str]
) -> None:
    found = set(complete(line))
    assert some <= found
    assert not others & found


@pytest.mark.parametrize("line", ["nca view ", "nca train --out ", "nca train leaf.png --also "])
def test_paths_are_completed(
    complete: Callable[[str], list[str]], line: str, tmp_path: Path
) -> None:
    for name in ("leaf-one", "leaf-two"):
        (tmp_path / name).touch()
    found = complete(f"{line}{tmp_path}/leaf-")
    assert {Path(name).name for name in found} >= {"leaf-one", "leaf-two"}


@pytest.mark.parametrize("words", [["tcsh"], []])
def test_another_shell_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", *words]) == 2
    said = capsys.readouterr().err
    assert said == "nca: --print-completion: name a shell, one of bash, zsh, fish\n"
