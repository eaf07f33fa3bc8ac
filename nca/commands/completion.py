"""Completion of commands, options and paths in bash, zsh and fish.

Tyro's completion supports neither command names of two words nor files as positional arguments, and
it starts Python at every press of Tab. These scripts contain all words, so they start no program.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nca.commands.catalog import Option
from nca.errors import InputError

GENERAL = ("--help", "--version", "--print-completion")


@dataclass(frozen=True)
class Completions:
    """A command's summary, and the options that can be completed after its name."""

    summary: str
    options: Sequence[Option]


Commands = Mapping[str, Completions]


def script(shell: str, commands: Commands) -> str:
    """The completion script for a shell.

    Raises:
        InputError: the shell is not supported.
    """
    if shell not in SHELLS:
        raise InputError(f"--print-completion: name a shell, one of {', '.join(SHELLS)}")
    return "\n".join(SHELLS[shell](commands))


def groups(commands: Commands) -> dict[str, list[str]]:
    """Second words by first word, for all command names of two words."""
    found: dict[str, list[str]] = {}
    for first, _, second in (name.partition(" ") for name in commands):
        if second:
            found.setdefault(first, []).append(second)
    return found


def first_words(commands: Commands) -> dict[str, str]:
    """All words that can follow ``nca``, each with a summary."""
    found = dict.fromkeys(groups(commands), "")
    found |= {name: each.summary for name, each in commands.items() if " " not in name}
    return {name: text or f"{name} ..." for name, text in found.items()}


def bash(commands: Commands) -> Iterator[str]:
    """Lines of the script for bash, which also works in macOS's bash 3.2.

    The script defines one function. If the function finds no word, bash completes paths.
    """
    yield "_nca() {"
    yield '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"'
    yield '  local name="${COMP_WORDS[1]}" two="${COMP_WORDS[1]} ${COMP_WORDS[2]}" words='
    yield "  COMPREPLY=()"
    yield "  if [ $COMP_CWORD -eq 1 ]; then"
    yield f'    words="{" ".join((*first_words(commands), *GENERAL))}"'
    yield '    COMPREPLY=($(compgen -W "$words" -- "$word")); return'
    yield "  fi"
    yield '  case "$two" in'
    yield f'    {"|".join(shlex.quote(name) for name in commands if " " in name)}) name="$two" ;;'
    yield "  esac"
    yield '  case "$name:$before" in'
    for name, each in commands.items():
        for option in each.options:
            if option.choices and option.flags:
                cases = "|".join(shlex.quote(f"{name}:{flag}") for flag in option.flags)
                yield f'    {cases}) words="{" ".join(option.choices)}" ;;'
    yield f'    *:--print-completion) words="{" ".join(SHELLS)}" ;;'
    yield "  esac"
    yield '  if [ -z "$words" ] && [[ "$word" == -* ]]; then'
    yield '    case "$name" in'
    for name, each in commands.items():
        flags = [flag for option in each.options for flag in option.flags]
        yield f'      {shlex.quote(name)}) words="{" ".join((*flags, "--help"))}" ;;'
    yield "    esac"
    yield "  elif [ $COMP_CWORD -eq 2 ]; then"
    yield '    case "$name" in'
    for name, seconds in groups(commands).items():
        yield f'      {name}) words="{" ".join(seconds)}" ;;'
    yield "    esac"
    yield "  fi"
    yield '  COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    yield "complete -o bashdefault -o default -F _nca nca"


def zsh(commands: Commands) -> Iterator[str]:
    """Lines of the script for zsh; source it, or save it as ``_nca`` in a folder of ``fpath``."""
    yield "#compdef nca"
    yield "_nca() {"
    yield '  local name=$words[2] two="$words[2] $words[3]"'
    yield "  if (( CURRENT == 2 )); then"
    yield f"    local -a commands=({' '.join(described(first_words(commands)))})"
    yield "    _describe -t commands command commands"
    yield f"    compadd -- {' '.join(GENERAL)}; return"
    yield "  fi"
    yield f"  [[ $words[2] == --print-completion ]] && {{ compadd -- {' '.join(SHELLS)}; return }}"
    yield "  if (( CURRENT == 3 )); then"
    yield "    case $name in"
    for name, seconds in groups(commands).items():
        yield f"      {name}) compadd -- {' '.join(seconds)} ;;"
    yield "    esac"
    yield "  fi"
    yield '  case "$two" in'
    names = "|".join(shlex.quote(name) for name in commands if " " in name)
    yield f'    {names}) name="$two"; shift words; (( CURRENT-- )) ;;'
    yield "  esac"
    yield "  shift words; (( CURRENT-- ))"
    yield '  case "$name" in'
    for name, each in commands.items():
        specs = (spec for option in each.options for spec in zsh_specs(option))
        yield f"    {shlex.quote(name)}) _arguments -S {' '.join(map(shlex.quote, specs))} ;;"
    yield "  esac"
    yield "}"
    yield "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }"
    yield 'if [[ "$funcstack[1]" == _nca ]]; then _nca "$@"; else compdef _nca nca; fi'


def described(words: Mapping[str, str]) -> list[str]:
    """Words in the format of ``_describe``: ``word:description``."""
    return [shlex.quote(f"{word}:{text}") for word, text in words.items()]


def zsh_specs(option: Option) -> Iterator[str]:
    """An option in the format of ``_arguments``."""
    action = f"({' '.join(option.choices)})" if option.choices else ""
    action = "_files" if option.takes_path else action
    if not option.flags:
        yield f"{'*' if option.is_list else ''}:{option.name}:{action}"
    text = option.help.translate({ord(c): f"\\{c}" for c in "[]:\\"})
    values = [part for part in option.values.split() if part != "..."]
    for flag in option.flags:
        if option.is_list:
            yield f"{flag}[{text}]:*-*:{option.name}:{action}"
        else:
            yield f"{flag}[{text}]" + "".join(f":{option.name}:{action}" for _ in values)


def fish(commands: Commands) -> Iterator[str]:
    """Lines of the script for fish: a ``complete`` command for each option and command name."""
    names = " ".join(shlex.quote(name) for name in commands if " " in name)
    yield "function __nca_command"
    yield "  set -l words (commandline -opc)"
    yield f'  if contains -- "$words[2..3]" {names}'
    yield '    echo "$words[2..3]"'
    yield "  else"
    yield "    echo $words[2]"
    yield "  end"
    yield "end"
    yield "complete -c nca -e"
    bare = "-n 'test (count (commandline -opc)) -eq 1'"
    for word, text in first_words(commands).items():
        yield f"complete -c nca {bare} -f -a {word} -d {fish_quote(text)}"
    for flag in GENERAL:
        yield f"complete -c nca {bare} -l {flag[2:]}"
    asked = "-n 'test (__nca_command) = --print-completion'"
    yield f"complete -c nca {asked} -f -a '{' '.join(SHELLS)}'"
    for first, seconds in groups(commands).items():
        here = f"-n 'test (count (commandline -opc)) -eq 2; and test (__nca_command) = {first}'"
        for second in seconds:
            text, only = commands[f"{first} {second}"].summary, "" if first in commands else "-f "
            yield f"complete -c nca {here} {only}-a {second} -d {fish_quote(text)}"
    for name, each in commands.items():
        here = f"-n 'test (__nca_command) = \"{name}\"'"
        for option in each.options:
            for flag in option.flags:
                follow = " -r" if option.values else ""
                follow = " -r -F" if option.takes_path else follow
                follow = f" -x -a '{' '.join(option.choices)}'" if option.choices else follow
                help_ = f" -d {fish_quote(option.help)}"
                yield f"complete -c nca {here} -l {flag[2:]}{follow}{help_}"


def fish_quote(text: str) -> str:
    """Quote a text as one word for fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[Commands], Iterator[str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
