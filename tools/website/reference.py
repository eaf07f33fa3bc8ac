"""Make the reference: pages for commands, from their settings, and a page for the Python API."""

import html
import inspect
from dataclasses import is_dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, get_type_hints

import nca
from nca.cli import COMMANDS, Command
from nca.commands.catalog import Option, group_title

FOLDER = "reference/commands"
API = """# Python API

These are the public names that `import nca` provides. [Use it from
Python](../how-to/use-from-python.md) shows how to use them. The import takes only milliseconds,
because torch is not loaded until a name needs it.

"""


def pages() -> dict[str, bytes]:
    """Make all pages, by path; commands with the same first word share a page."""
    found: dict[str, list[str]] = {}
    for name, command in COMMANDS.items():
        found.setdefault(name.split()[0], []).append(section(name, command))
    made = {f"{FOLDER}/index.md": overview()}
    for first, sections in found.items():
        title = f"# nca {first} {{ #{first} }}\n\n"
        made[f"{FOLDER}/{first}.md"] = title + "\n".join(sections)
    functions_first = sorted(nca.__all__, key=lambda name: name[0].isupper())
    made["reference/python.md"] = API + "\n".join(map(entry, functions_first))
    return {path: text.encode() for path, text in made.items()}


def entry(name: str) -> str:
    """Return the mkdocstrings directive that documents a public name."""
    return f"::: nca.{name}\n    options:\n      heading: nca.{name}\n      toc_label: {name}\n"


def overview() -> str:
    """Make the page that lists all commands."""
    rows = [
        f"| [`nca {name}`]({name.split()[0]}.md#{anchor(name)}) | {command.summary} |"
        for name, command in COMMANDS.items()
    ]
    return "\n".join(
        [
            "# Commands",
            "",
            "| command | |",
            "|---|---|",
            *rows,
            "",
            "`nca --version` prints the versions of nca and torch, and the device. `nca --debug",
            "COMMAND ...` shows where an error occurs. `nca --print-completion bash`, `zsh` or",
            "`fish` prints a script that completes commands, options and paths in that shell:",
            "",
            "```sh",
            "nca --print-completion bash > ~/.local/share/bash-completion/completions/nca",
            "nca --print-completion zsh > ~/.zfunc/_nca        # a folder of $fpath",
            "nca --print-completion fish > ~/.config/fish/completions/nca.fish",
            "```",
            "",
            "[Exit codes](../exit-codes.md) lists what a command returns to the shell.",
            "",
        ]
    )


def section(name: str, command: Command) -> str:
    """Make the section of a page that describes a command."""
    options = command.options()
    shown = (option.usage for option in options if not option.flags or option.is_required)
    usage = " ".join([f"nca {name}", *shown, "[OPTIONS]"])
    titles = group_texts(command.settings)
    lines = [f"## nca {name} {{ #{anchor(name)} }}" if " " in name else ""]
    lines += [inspect.cleandoc(command.settings.__doc__ or ""), "", "```", usage, "```", ""]
    level = "###" if " " in name else "##"
    groups = list(dict.fromkeys(option.group for option in options))
    for group, some in groupby(
        sorted(options, key=lambda o: groups.index(o.group)), attrgetter("group")
    ):
        if group:
            lines += [
                f"{level} {group.capitalize()} {{ #{anchor(name)}-group-{anchor(group)} }}",
                "",
            ]
            lines += [titles[group], ""]
        lines += [line for option in some for line in described(name, option)]
    return "\n".join(lines)


def anchor(name: str) -> str:
    """Return the anchor of a command or group: the part of a URL after "#"."""
    return name.replace(" ", "-")


def described(command: str, option: Option) -> list[str]:
    """Format an option as an entry of a definition list."""
    flags = option.flags or (option.metavar,)
    written = " ".join(filter(None, [", ".join(flags), option.values if option.flags else ""]))
    facts = ""
    if option.is_required:
        facts = " *Required.*"
    elif option.default:
        facts = f" *Default:* `{option.default}`"
    # The anchor is written out, because the extensions add anchors only to headings.
    return [
        f'<a id="{anchor(command)}-{option.name.replace("_", "-")}"></a>'
        f"<code>{html.escape(written)}</code>",
        f":   {option.help}{facts}",
        "",
    ]


def group_texts(kind: Any) -> dict[str, str]:
    """Return the first line of the description of every group in a command's settings, by title."""
    found: dict[str, str] = {}
    plain = get_type_hints(kind)
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if is_dataclass(plain[name]):
            found[group_title(name, hint)] = (plain[name].__doc__ or "").partition("\n")[0]
            found |= group_texts(plain[name])
    return found
