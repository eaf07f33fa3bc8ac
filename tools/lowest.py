"""Print the oldest versions that pyproject.toml allows, as requirements for pip.

``python tools/lowest.py [TORCH]``; TORCH replaces the oldest version of torch. The ``bench`` extra
is left out, because it needs newer versions of other requirements.
"""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
REQUIREMENT = re.compile(r"([\w.-]+)>=([\w.]+)")


def lowest() -> dict[str, str]:
    """Return the oldest allowed version of each requirement that specifies one, by name."""
    data = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    extras = data["project"]["optional-dependencies"]
    lines = [line for name, extra in extras.items() if name != "bench" for line in extra]
    lines += data["build-system"]["requires"] + data["project"]["dependencies"]
    found = [match for match in map(REQUIREMENT.match, lines) if match]
    return {match[1]: match[2] for match in found}


def main(words: list[str]) -> None:
    """Print the requirements."""
    releases = lowest()
    releases["torch"] = words[0] if words else releases["torch"]
    print(*(f"{name}=={release}" for name, release in releases.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
