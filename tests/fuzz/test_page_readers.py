"""Damaged rules in a page: it refuses what Python refuses, each with one line."""

import base64
import binascii
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.exporters.field_link import read_fields, write_fields
from nca.exporters.importers import read_article
from nca.exporters.link import read_link, write_link
from nca.fields.texels import Fields, neutral
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from nca.rulefile import parse_rule
from tests.fields.test_steps import mixed_texels
from tests.fuzz.mutations import mutate_bytes
from tests.fuzz.runner import Cases, amount
from tests.helpers.rules import bounded_rule, with_random_decoder

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Each case gives null, or the message; a pause between cases would hide a reader that never ends.
READ = """async ([reader, cases]) => {
  const said = [];
  for (const text of cases) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const asText = () => new TextDecoder("latin1").decode(bytes);
    const input = ["readLink", "readFieldText"].includes(reader) ? asText() : bytes;
    try {
      await nca.reading[reader](input);
      said.push(null);
    } catch (error) {
      said.push(error.message);
    }
  }
  return said;
}"""
WORDS_OF_CODE = ("TypeError", "RangeError", "undefined", "Cannot", "is not a function", "Invalid")


@pytest.fixture
def page(still_page: Callable[..., Page]) -> Page:
    return still_page({"plain": bounded_rule(RuleSettings(4, 8))}, grid=(8, 8))


def of_rule(data: bytes) -> None:
    parse_rule(data, Path("a"))


def of_article(data: bytes) -> None:
    read_article(data.decode(json.detect_encoding(data)))


def of_link(data: bytes) -> None:
    read_link(data.decode("latin1"))


def of_fields(data: bytes) -> None:
    read_fields(data.decode("latin1"), 8, 8)


def links(count: int, seed: int) -> list[bytes]:
    """Links with other characters, and with other bytes under a checksum that fits."""
    full = RuleSettings(
        6, 10, "zeros", alive_threshold=0.1, start="center", hidden_clip=2.0, calm=True,
        quantization=Quantization(Quantizer(4.0, 0.5), hidden=Quantizer(2.0, 0.0)),
    )  # fmt: skip
    fine = with_random_decoder(RuleSettings(4, 4, decoder=DecoderSettings(hidden=(16, 16))))
    rules = (bounded_rule(RuleSettings(4, 8)), bounded_rule(full, update_bias=True), fine)
    rng = random.Random(f"links {seed}")
    texts = [write_link(rule, bits) for rule in rules for bits in (8, 16)]
    return [mutate_link(rng, rng.choice(texts)) for _ in range(count)]


def field_links(count: int, seed: int) -> list[bytes]:
    """The same for the texts of fields."""
    texts = [write_fields(Fields(mixed_texels()))]
    stroke = neutral(30, 40)
    stroke[5:20, 10:30, 2] = 192
    texts.append(write_fields(Fields(stroke)))
    rng = random.Random(f"fields {seed}")
    return [mutate_link(rng, rng.choice(texts)) for _ in range(count)]


def mutate_link(rng: random.Random, text: str) -> bytes:
    if rng.random() < 0.4:
        return mutate_bytes(rng, text.encode())
    body = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[:-2])
    body[rng.choice((0, 1, 2, 3, 5, 6, 12, rng.randrange(len(body))))] = rng.randrange(256)
    if rng.random() < 0.3:
        body = body[: rng.randrange(len(body))] + rng.randbytes(rng.choice((0, 1, 60)))
    checked = bytes(body) + (binascii.crc32(body) & 0xFFFF).to_bytes(2, "little")
    return base64.urlsafe_b64encode(checked).rstrip(b"=")


def test_a_page_refuses_what_python_refuses(page: Page, tmp_path: Path) -> None:
    seed, count = amount()
    count = max(1000, count)
    readers: dict[str, tuple[list[bytes], Callable[[bytes], None]]] = {
        "readRuleFile": (of_cases("rule", seed, count), of_rule),
        "readPublished": (of_cases("article", seed, count), of_article),
        "readLink": (links(count, seed), of_link),
        "readFieldText": (field_links(count, seed), of_fields),
    }
    for reader, (cases, read) in readers.items():
        said = page.evaluate(READ, [reader, [base64.b64encode(case).decode() for case in cases]])
        accepted = 0
        for number, (case, message) in enumerate(zip(cases, said, strict=True)):
            expected = refusal(read, case)
            where = f"{reader} {seed} {number}: page {message!r}, Python {expected!r}"
            if (message is None) != (expected is None):
                (tmp_path / reader).write_bytes(case)
            assert (message is None) == (expected is None), where
            accepted += message is None
            if message is not None:
                assert len(message) < 300, where
                assert message.isprintable(), where
                assert not any(word in message for word in WORDS_OF_CODE), where
        assert 0 < accepted < count
    assert page.evaluate("nca.player.data.rules.length") == 1


def of_cases(name: str, seed: int, count: int) -> list[bytes]:
    cases = Cases(name, seed)
    return [cases.damaged(number)[1] for number in range(count)]


def refusal(read: Callable[[bytes], None], data: bytes) -> str | None:
    """The message of Python's reader; None if it accepts the data."""
    try:
        read(data)
    except (ValueError, InputError, RecursionError) as error:
        return str(error)[:200]
    return None
