"""Train a rule on a picture, and make the page that runs it.

    python train_and_export.py leaf.jpg leaf.html --minutes 5

The file extension determines the result: .html makes a page, .js an element to use in any page,
.frag or .fs a shader.
"""

import argparse

import nca


def main() -> None:
    """Train, export, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", help="picture of a texture: bark, knitwear, pebbles")
    parser.add_argument("result", help="file to write")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time")
    parser.add_argument("--preset", default="small", help="tiny, small, full, ...")
    words = parser.parse_args()

    trained = nca.train(words.picture, preset=words.preset, minutes=words.minutes)
    first, last = (trained.losses["loss"][i] for i in (0, -1))
    print(f"loss {first:.3g} -> {last:.3g} in {trained.iterations} iterations")
    print(nca.export(trained.rule, words.result))


if __name__ == "__main__":
    main()
