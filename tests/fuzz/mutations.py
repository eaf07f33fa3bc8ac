"""Damage to files from a seed: to their bytes, and to the structures in them."""

import copy
import functools
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

Random = random.Random
Mutation = Callable[[Random, bytes], bytes]

EDGES = (0, 1, 2, 3, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 0.5, 3, 1e-320, 1e308, float("nan"), float("inf"), 2**31, 2**64, 10**400, -(10**400),
)  # fmt: skip
TEXTS: tuple[Any, ...] = (
    "", "a", "9", "nan", "null", "1e999", "\0", "\x1b]0;title\x07", "\x9b2J", "\u202e", "\ud800",
    "two\nlines", "../../../tmp/x", "a" * 70_000,
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None, True, False, [], {}, [[]], [None], [0] * 5, ["a"], {"a": 1}, {"": {}}, {"__proto__": 1},
    [1e308, 1e308], [-1, 2**70],
)  # fmt: skip
# JSON that no Python value stands for; it replaces a placeholder string.
RAW = {
    "@digits": "9" * 5000,
    "@deep": "[" * 100_000 + "]" * 100_000,
    "@deep object": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "@open": "[" * 50_000,
    "@comma": "1,,2",
    "@twice": '{"a": 1, "a": 2}',
}
BOMB = 64 * 2**20  # bytes that one block of zeros unpacks to


def mutate_bytes(rng: Random, data: bytes) -> bytes:
    """One to four changes of bytes, half of them near the beginning, where headers are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(changed) or 1)
        if rng.random() < 0.5:
            at %= 64
        length = rng.choice((1, 2, 4, 8, 64))
        match rng.randrange(8):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                changed[at : at + length] = rng.randbytes(length)
            case 2:
                changed[at : at + length] = bytes(length)
            case 3:
                number = _packed(rng)
                at -= at % len(number)  # where headers have their fields
                changed[at : at + len(number)] = number
            case 4:
                del changed[at : at + length]
            case 5:
                changed[at:at] = changed[at : at + 64] or rng.randbytes(length)
            case 6:
                del changed[at if rng.random() < 0.3 else rng.randrange(len(changed) or 1) :]
            case 7:
                changed += rng.randbytes(length)
    return bytes(changed)


def _packed(rng: Random) -> bytes:
    """A limit of some number type, in bytes."""
    form = rng.choice(("<H", ">H", "<I", ">I", "<f", ">f"))
    if form[1] == "f":
        return struct.pack(form, rng.choice((0.0, 1.0, 2.0, -1.0, 1e9, float("nan"))))
    return struct.pack(form, rng.choice(EDGES) % 2 ** (8 * struct.calcsize(form)))


def mutate_tree(rng: Random, tree: Any) -> Any:
    """One to three changes of a tree of lists and objects: values, names, entries."""
    root = [copy.deepcopy(tree)]
    for _ in range(rng.choice((1, 2, 3))):
        parent, key = rng.choice(_places(root))
        value = parent[key]
        match rng.randrange(8):
            case 0 if parent is not root:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[rng.choice(("", "a", "__class__", "x" * 1000, *parent))] = parent.pop(key)
            case 2 if isinstance(value, list):
                value += value or [0]
            case 3:
                source, name = rng.choice(_places(root))
                parent[key] = copy.deepcopy(source[name])
            case _:
                parent[key] = copy.deepcopy(rng.choice(_strange(rng, value)))
    return root[0]


def _strange(rng: Random, value: Any) -> tuple[Any, ...]:
    """Values to put in the place of one: mostly of its own type."""
    if rng.random() < 0.4:
        return (*NUMBERS, *TEXTS, *OTHERS, *RAW)
    if isinstance(value, int | float):
        return NUMBERS
    return TEXTS if isinstance(value, str) else OTHERS


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        keys = node if isinstance(node, dict) else range(len(node))
        places += [(node, key) for key in keys]
        waiting += [node[key] for key in keys if isinstance(node[key], dict | list) and node[key]]
    return places


def to_json(tree: Any) -> str:
    """JSON of a tree, with :data:`RAW` where it is named."""
    text = json.dumps(tree)
    for name, raw in RAW.items():
        text = text.replace(json.dumps(name), raw)
    return text


def mutate_json(rng: Random, data: bytes) -> bytes:
    """JSON with other values, or with other bytes."""
    if rng.random() < 0.25:
        return mutate_bytes(rng, data)
    head = rng.choice((b"", b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"))
    return head + to_json(mutate_tree(rng, json.loads(data))).encode("utf-8", "surrogatepass")


LITERALS = ("0", "-1", "1e400", "1e-400", "9" * 400, "nan", "1.", ".5e9", "1e5e5", "-", "", "1,1")
WORDS = (" ", "1,", "(", ")", "mat4(", "vec4(1,", "W[0]*", "abs(", "/*", "//", "*", "[", "a =")


def mutate_text(rng: Random, data: bytes) -> bytes:
    """A program text with other numbers, words or brackets, or with other bytes."""
    if rng.random() < 0.2:
        return mutate_bytes(rng, data)
    tokens = re.findall(r"[\w.]+|\s+|.", data.decode())
    for _ in range(rng.choice((1, 2, 5))):
        at = rng.randrange(len(tokens))
        match rng.randrange(6):
            case 0:
                tokens[at] = rng.choice(LITERALS)
            case 1:
                del tokens[at : at + rng.choice((1, 2, 20))]
                tokens = tokens or [" "]
            case 2:
                tokens[at:at] = tokens[at : at + rng.choice((1, 20, 200))]
            case 3:
                tokens[at:at] = [rng.choice(WORDS) * rng.choice((1, 100, 10_000))]
            case 4:
                tokens[at] = rng.choice(WORDS)
            case 5:
                tokens[at] = rng.choice(("\0", "\x1b[2J", "é", "\u2028", "\ud800"))
    return "".join(tokens).encode("utf-8", "surrogatepass")


@functools.cache
def _zeros() -> bytes:
    """A block of raw deflate that can be repeated and unpacks to :data:`BOMB` zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(BOMB)) + packer.flush(zlib.Z_FULL_FLUSH)


def deflated_zeros(blocks: int) -> bytes:
    """Raw deflate of ``blocks`` times :data:`BOMB` zeros."""
    return _zeros() * blocks + b"\x03\x00"


def gzip_bomb(blocks: int) -> bytes:
    """A gzip file of zeros; its checksum is wrong, which shows at its end."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated_zeros(blocks) + bytes(8)


# Fields of an entry of a zip's directory, and of the header before its data: offset and format.
DIRECTORY = ((8, "H"), (10, "H"), (16, "I"), (20, "I"), (24, "I"), (28, "H"), (30, "H"), (42, "I"))
LOCAL = ((4, "H"), (6, "H"), (8, "H"), (14, "I"), (18, "I"), (22, "I"), (26, "H"), (28, "H"))
END = ((8, "H"), (10, "H"), (12, "I"), (16, "I"), (20, "H"))
FIELDS = {b"PK\1\2": DIRECTORY, b"PK\3\4": LOCAL, b"PK\5\6": END}
METHODS = (0, 1, 8, 9, 12, 14, 93, 95, 99)


def mutate_zip(rng: Random, data: bytes) -> bytes:
    """Fields of a zip's headers: methods, flags, checksums, lengths, places."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        signature = rng.choice(list(FIELDS))
        places = [found.start() for found in re.finditer(re.escape(signature), changed)]
        offset, form = rng.choice(FIELDS[signature])
        if places:
            number = rng.choice((*METHODS, *EDGES)) % 2 ** (8 * struct.calcsize(form))
            struct.pack_into("<" + form, changed, rng.choice(places) + offset, number)
    return bytes(changed)


def to_zip(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive; two entries may have one name."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in entries:
            archive.writestr(zipfile.ZipInfo(name or "a"), body, method)
    return out.getvalue()
