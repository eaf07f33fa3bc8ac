"""Bytes as text in an address: base64url with a version and a checksum.

The text contains the version (1 byte), the contents, and the lower half of the CRC-32 of both.
``shaders/page/reading/link_text.js`` reads and writes the same format.
"""

import base64
import re
import zlib

VERSION = 1


def pack_text(contents: bytes) -> str:
    """Encode bytes as text."""
    body = bytes([VERSION]) + contents
    checked = body + (zlib.crc32(body) & 0xFFFF).to_bytes(2, "little")
    return base64.urlsafe_b64encode(checked).decode().rstrip("=")


def unpack_text(text: str, what: str, longest: int) -> bytes:
    """Decode what :func:`pack_text` returned; ``what`` is the name of the text in messages.

    Raises:
        ValueError: the text is damaged, has another version, or more than ``longest`` characters.
    """
    if len(text) > longest:
        raise ValueError(f"{what} has more than {longest} characters")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text) or len(text) % 4 == 1:
        raise ValueError(f"{what} is incomplete or damaged")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if data[0] != VERSION:
        raise ValueError(f"{what} has version {data[0]}, but this program reads {VERSION}")
    if len(data) < 8 or zlib.crc32(data[:-2]) & 0xFFFF != int.from_bytes(data[-2:], "little"):
        raise ValueError(f"{what} is incomplete or damaged")
    return data[1:-2]
