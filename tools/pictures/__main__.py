"""Draw all pictures into a folder: ``python -m tools.pictures DIR``."""

import argparse
import io
from pathlib import Path

from nca.errors import InputError
from nca.system.files import write_atomically
from tools.pictures import DRAWINGS, draw


def main() -> None:
    """Read the folder from the command line and fill it."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    parser.add_argument("folder", type=Path, help="output folder for the PNG files")
    folder = parser.parse_args().folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{folder}: {error.strerror}")
    for name in DRAWINGS:
        data = io.BytesIO()
        draw(name).save(data, format="PNG", optimize=True)
        try:
            write_atomically(folder / f"{name}.png", data.getvalue())
        except InputError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
