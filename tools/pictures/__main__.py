"""Draw all pictures and materials: ``python -m tools.pictures DIR``."""

import argparse
from pathlib import Path

from nca.errors import InputError
from nca.images import png_bytes
from nca.images.material import write_maps
from nca.system.files import write_atomically
from tools.pictures import DRAWINGS, SURFACES, draw, draw_maps


def main() -> None:
    """Read the folder from the command line and fill its folders ``files`` and ``materials``."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    parser.add_argument("folder", type=Path, help="output folder")
    folder = parser.parse_args().folder
    try:
        (folder / "files").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{folder}: {error.strerror}")
    try:
        for name in DRAWINGS:
            write_atomically(folder / "files" / f"{name}.png", png_bytes(draw(name)))
        for name in SURFACES:
            write_maps(folder / "materials" / name, draw_maps(name), name)
    except InputError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
