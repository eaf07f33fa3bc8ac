"""Train a rule on every photograph in a folder, and make a page of running textures.

    python photos_to_gallery.py photos gallery --minutes 5

The page is gallery/index.html; it needs no server. Existing rules are not trained again.
"""

import argparse
from pathlib import Path

import nca
from nca.images.picture_files import pictures_in


def main() -> None:
    """Train the rules that are missing, then write the gallery."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path, help="folder of photographs")
    parser.add_argument("gallery", type=Path, help="folder to write")
    parser.add_argument("--rules", type=Path, default=Path("rules"), help="folder for the rules")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time per rule")
    parser.add_argument("--preset", default="small", help="tiny, small, full, ...")
    words = parser.parse_args()

    words.rules.mkdir(parents=True, exist_ok=True)
    rules: dict[str, nca.Rule] = {}
    for photo in pictures_in(words.photos):
        path = words.rules / f"{photo.stem}.safetensors"
        if not path.exists():
            trained = nca.train(photo, preset=words.preset, minutes=words.minutes)
            nca.save(trained.rule, path)
        rules[photo.stem] = nca.load(path)
    folder = nca.export(rules, words.gallery, target="gallery")
    print(folder / "index.html")


if __name__ == "__main__":
    main()
