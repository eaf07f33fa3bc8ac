"""Damage to the structures of one format each, with checksums and lengths that fit or lie."""

import gzip
import io
import json
import math
import re
import struct
import zipfile
import zlib

import torch

from tests.fuzz.mutations import (
    BOMB,
    EDGES,
    Random,
    deflated_zeros,
    mutate_bytes,
    mutate_tree,
    mutate_zip,
    to_json,
    to_zip,
)


def mutate_safetensors(rng: Random, data: bytes) -> bytes:
    """Header, tensors or bytes of a safetensors file whose metadata are JSON within JSON."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    match rng.randrange(6):
        case 0:
            header = mutate_tree(rng, header)
        case 1:
            at = 4 * rng.randrange(len(body) // 4)
            body[at : at + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), 3e38)))
        case _:
            metadata = header["__metadata__"]
            for key, text in metadata.items():
                metadata[key] = to_json(mutate_tree(rng, json.loads(text)))
    text = to_json(header).encode()
    lie = rng.choice((-8, 1, 2**20, 2**62)) if rng.random() < 0.1 else 0
    return struct.pack("<Q", max(0, len(text) + lie)) + text + body


KINDS = ("<f4", ">f4", "<f8", "<f2", "|u1", "<u4", "<i8", "|O", "<U9", "|S0", "<m8", "<c8", "x")
SHAPES = (
    "()", "(0,)", "(4,)", "'a'", "(nan,)", "(1e9,)", "(True, 5)", "(-1, 5, 6)", "(4, -5, -6)",
    "(4, 5, 6.5)", "(4, 5, 10**9)", "(2**63, 4, 4)", "(4, 100000, 100000)", "(8, 0, 6)",
    "(8, 1, 1)", "(100000, 4, 4)", "(4, 20000, 4)", "(99999999999999999999,)",
)  # fmt: skip
MOST_BYTES = 8 * 2**20  # of an array that its header is true of
HEADERS = (
    "", "{", "1", "[]", "{}", "{'descr': }", "'''", "lambda: 0", "\0", "(" * 5000, "9" * 5000,
    "-" * 9000 + "1", "{'a': __import__", "{'descr': 1, 'fortran_order': 2, 'shape': 3}",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}",
)  # fmt: skip


def mutate_array(rng: Random, data: bytes) -> bytes:
    """Header or values of a .npy file; a changed header may still fit the values."""
    (length,) = struct.unpack("<H", data[8:10])
    header, body = data[10 : 10 + length].decode("latin1"), data[10 + length :]
    version = b"\x01\x00"
    match rng.randrange(6):
        case 0:
            header = re.sub(r"'[<>|]\w+'", repr(rng.choice(KINDS)), header)
            body = rng.choice((body, struct.pack("<f", math.nan) * (len(body) // 4)))
        case 1:
            shape = rng.choice(SHAPES)
            header = re.sub(r"\([^)]*\)", shape, header)
            count = abs(math.prod(map(float, re.findall(r"-?\d+(?:\.\d+)?", shape))))
            body = bytes(4 * int(count)) if 4 * count < MOST_BYTES and rng.random() < 0.7 else body
        case 2:
            header = rng.choice(HEADERS)
        case 3:
            version = bytes([rng.randrange(5), rng.randrange(3)])
        case 4:
            header = mutate_bytes(rng, header.encode("latin1")).decode("latin1")
        case 5:
            value = struct.pack("<f", rng.choice((math.nan, math.inf, -1e38, 0.5)))
            body = rng.choice((body[:-4] + value, mutate_bytes(rng, body)))
    raw = header.encode("latin1")
    lie = rng.choice((-7, 1, 1000)) if rng.random() < 0.1 else 0
    size = max(0, len(raw) + lie)
    form = "<H" if version[0] == 1 and size < 2**16 else "<I"
    return b"\x93NUMPY" + version + struct.pack(form, size) + raw + body


def mutate_npz(rng: Random, data: bytes) -> bytes:
    """An array, an entry, the archive's headers, or bytes of an .npz file; sometimes a bomb."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, data)
    if rng.random() < 0.3:
        return mutate_zip(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        arrays = [(name, archive.read(name)) for name in archive.namelist()]
    at = rng.randrange(len(arrays))
    name, array = arrays[at]
    match rng.randrange(8):
        case 0:
            arrays[at] = (rng.choice(("state", "x.npy", "state.npy", "../state.npy", "")), array)
        case 1:
            arrays[at] = (name.removesuffix(".npy"), b"no array")
        case 2 if rng.random() < 0.3:
            return _npz_bomb(name, rng.choice((2, 10, 30)))
        case 3:
            arrays[at] = (name, mutate_bytes(rng, array))
        case _:
            for _ in range(rng.choice((1, 1, 2))):
                array = mutate_array(rng, array)
            arrays[at] = (name, array)
    return to_zip(arrays, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def _npz_bomb(name: str, blocks: int) -> bytes:
    """An archive whose array really has ``blocks`` times 64 MiB of zeros."""
    shape = f"({4 * blocks}, 1024, 4096)"
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(array) + packer.flush(zlib.Z_FULL_FLUSH) + deflated_zeros(blocks)
    checksum = zlib.crc32(array)
    for _ in range(blocks):
        checksum = zlib.crc32(bytes(BOMB), checksum)
    sizes = (checksum, len(packed), len(array) + blocks * BOMB, len(name), 0)
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, *sizes)
    local = b"PK\3\4" + common + name.encode() + packed
    entry = b"PK\1\2\x14\0" + common + bytes(14) + name.encode()
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + b"PK\5\6" + end


PNG = b"\x89PNG\r\n\x1a\n"
CHUNKS = (
    b"tRNS", b"PLTE", b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"fdAT",
    b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"cICP", b"IEND", b"IHDR", b"IDAT", b"abcd",
)  # fmt: skip
# Width, height, bits and color type of images that are small only as files.
LARGE = (
    (13_300, 13_300, 16, 0), (13_300, 13_300, 8, 6), (12_000, 12_000, 8, 3), (9_000, 9_000, 16, 6),
    (13_000, 13_000, 1, 0), (14_100, 14_100, 8, 0), (100_000, 1_000, 8, 2),
)  # fmt: skip
VALUES_OF_KIND = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def mutate_picture(rng: Random, data: bytes) -> bytes:
    """Bytes of a picture; of a PNG also its chunks, whose checksums fit, or one that is large."""
    if not data.startswith(PNG) or rng.random() < 0.3:
        return mutate_bytes(rng, data)
    if rng.random() < 0.03:
        return _large_png(*rng.choice(LARGE))
    chunks, at = [], len(PNG)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    at = rng.randrange(len(chunks))
    kind, body = chunks[at]
    match rng.randrange(5):
        case 0:
            header = list(struct.unpack(">IIBBBBB", chunks[0][1]))
            at = rng.randrange(7)
            header[at] = rng.choice(EDGES) if at < 2 else rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
            chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *header))
        case 1:
            chunks[at] = (kind, mutate_bytes(rng, body))
        case 2:
            del chunks[at]
        case 3:
            chunks.insert(rng.randrange(len(chunks) + 1), (kind, body))
        case 4:
            zeros = b"\x78\xda" + deflated_zeros(3)
            body = rng.choice((b"", rng.randbytes(30), b"a\0\0" + zeros, b"a\0\1\0\0\0" + zeros))
            chunks.insert(rng.randrange(1, len(chunks) + 1), (rng.choice(CHUNKS), body))
    return _to_png(chunks)


def _to_png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _large_png(width: int, height: int, bits: int, kind: int) -> bytes:
    """A picture of zeros."""
    row = 1 + -(-width * bits * VALUES_OF_KIND[kind] // 8)
    rows = b"\x78\xda" + deflated_zeros(-(-row * height // BOMB))
    palette = [(b"PLTE", bytes(range(6))), (b"tRNS", b"\x80")] if kind == 3 else []
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return _to_png([(b"IHDR", header), *palette, (b"IDAT", rows), (b"IEND", b"")])


def mutate_idx(rng: Random, data: bytes) -> bytes:
    """Header, length or bytes of an IDX file, packed or not; sometimes a bomb."""
    packed = data.startswith(b"\x1f\x8b")
    if rng.random() < 0.3:
        return mutate_bytes(rng, data)
    if packed and rng.random() < 0.05:
        return _idx_bomb(rng.choice((2, 30)))
    changed = bytearray(gzip.decompress(data) if packed else data)
    match rng.randrange(4):
        case 0:
            changed[rng.randrange(4)] = rng.randrange(256)
        case 1:
            places = range(4, min(4 + 4 * changed[3], len(changed) - 3), 4)
            struct.pack_into(">I", changed, rng.choice(places), rng.choice((*EDGES, 10, 28, 2**30)))
        case 2:
            changed += rng.randbytes(rng.choice((1, 144, 5000)))
        case 3:
            changed = bytearray(mutate_bytes(rng, bytes(changed)))
    return gzip.compress(changed, 1, mtime=0) if packed else bytes(changed)


def _idx_bomb(blocks: int) -> bytes:
    """A gzip file of as many pictures of 64 x 64 as its header says."""
    header = b"\0\0\x08\x03" + struct.pack(">III", blocks * BOMB // 64**2, 64, 64)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(header) + packer.flush(zlib.Z_FULL_FLUSH) + deflated_zeros(blocks)
    checksum = zlib.crc32(header)
    for _ in range(blocks):
        checksum = zlib.crc32(bytes(BOMB), checksum)
    end = struct.pack("<II", checksum, (len(header) + blocks * BOMB) % 2**32)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + packed + end


def mutate_checkpoint(rng: Random, data: bytes) -> bytes:
    """Bytes of a checkpoint, or its contents under a checksum that fits."""
    start = data.index(b"\n") + 5
    head, body = data[: start - 4], data[start:]
    match rng.randrange(5):
        case 0:
            return mutate_bytes(rng, data)
        case 1:
            body = mutate_bytes(rng, body)
        case 2:
            body = mutate_zip(rng, body)
        case _:
            body = _mutate_contents(rng, body)
    return head + zlib.crc32(body).to_bytes(4, "big") + body


def _mutate_contents(rng: Random, body: bytes) -> bytes:
    state = torch.load(io.BytesIO(body), weights_only=True)
    about = state["callbacks"]["About"]
    part = rng.choice((*about, "counts", "tensors", "state"))
    if part in about:
        about[part] = to_json(mutate_tree(rng, json.loads(about[part])))
    elif part == "counts":
        state["counts"] = mutate_tree(rng, state["counts"])
    elif part == "tensors":
        name = rng.choice(list(state["model"]))
        tensor = state["model"][name]
        state["model"][name] = rng.choice((tensor[:1], tensor.double(), tensor * float("nan"), 1))
    else:
        state = mutate_tree(rng, state)
    changed = io.BytesIO()
    torch.save(state, changed)
    return changed.getvalue()
