"""Draw all pictures into a folder: ``python -m nca.pictures DIR``."""

import argparse
import io
from pathlib import Path

from nca.errors import InputError
from nca.files import write_atomically
from nca.pictures import PICTURES, draw


def main() -> None:
    """Read the folder from the command line and fill it."""
    parser = argparse.ArgumentParser(prog="python -m nca.pictures", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the PNG files go; it is made")
    folder = parser.parse_args().folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{folder}: {error.strerror}")
    for name in PICTURES:
        data = io.BytesIO()
        draw(name).save(data, format="PNG", optimize=True)
        try:
            write_atomically(folder / f"{name}.png", data.getvalue())
        except InputError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
