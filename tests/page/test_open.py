"""Rules that a visitor opens: files, published rules, links; they run as in torch."""

import base64
import json

import numpy as np
import pytest
import torch
from playwright.sync_api import FileChooser, Page

from nca.decoder import DecoderSettings
from nca.exporters.glsl.general import macros
from nca.exporters.glsl.weights import pack_weights
from nca.exporters.hosts.link import fragment
from nca.exporters.importers import read_published
from nca.exporters.link import read_link, shortened, write_link
from nca.gallery import gallery_path
from nca.rule import Rule
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from nca.rulefile import load_rule, rule_bytes, save_rule
from tests.export.test_importers import article
from tests.helpers.browsing import READY, read, until, write
from tests.helpers.rules import bounded_rule, with_random_decoder

pytestmark = pytest.mark.browser

TOAST = "document.getElementById('toast').textContent"
GRID = (28, 20)
BYTES = Quantizer(4.0, 127 / 255)
ROUNDED = Quantization(BYTES, BYTES, Quantizer(2.0, 0.0), Quantizer(4.0, 0.5))
RULES = {
    "growing": RuleSettings(16, 24, alive_threshold=0.1, start="center"),
    "zeros": RuleSettings(9, 13, "zeros", 0.25, alive_threshold=-0.1, hidden_clip=0.4),
    "reflect": RuleSettings(22, 30, "reflect", noise_level=1.0, start="noise"),
    "replicate": RuleSettings(40, 16, "replicate", 1.0),
    "dilated": RuleSettings(5, 9, "circular", dilations=(1, 1, 1, 1, 2, 3, 3)),
    "rounded": RuleSettings(6, 8, quantization=ROUNDED),
    "rounded and growing": RuleSettings(7, 8, alive_threshold=0.1, quantization=ROUNDED),
}
DECODED = with_random_decoder(
    RuleSettings(6, 8, "zeros", calm=True, decoder=DecoderSettings(3, 3, (17, 21), "sine"))
)
UNSET = {
    "calm": False,
    "decoder": None,
    "maps": [],
    "dilations": [],
}  # settings that a rule file leaves out


@pytest.fixture
def page(still_page) -> Page:
    """A page of a rule of four channels, paused."""
    return still_page({"plain": bounded_rule(RuleSettings(4, 8))}, grid=GRID, seed=4711)


def drop(page: Page, name: str, data: bytes = b"", text: str = "") -> None:
    """Drop a file, or a text, with the events of the browser."""
    page.evaluate(
        """([name, data, text]) => {
          const carried = new DataTransfer();
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          if (name) carried.items.add(new File([bytes], name));
          else carried.setData("text/plain", text);
          const options = { dataTransfer: carried, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("dragover", options));
          document.body.dispatchEvent(new DragEvent("drop", options));
        }""",
        [name, base64.b64encode(data).decode(), text],
    )


def check_steps(page: Page, rule: Rule, stops: tuple[int, ...], seed: int = 4711) -> None:
    """The page's steps of its current rule are those of torch."""
    until(page, "nca.player.simulation.ready && nca.player.simulation.seeded")
    page.evaluate("seed => nca.player.simulation.reset(seed)", seed)
    shape = (page.evaluate("nca.player.data.channels"), GRID[1], GRID[0])
    start = read(page, shape)[: rule.settings.channels]
    assert torch.equal(start, rule.initial_state(1, *shape[1:], seed=seed)[0])
    generator = torch.Generator().manual_seed(1)
    state = torch.rand(1, rule.settings.channels, *shape[1:], generator=generator) - 0.3
    write(page, state[0])
    done = 0
    for stop in stops:
        page.evaluate("count => nca.player.runSteps(count)", stop - done)
        state = rule(state, stop - done, seed=seed, first_step=done)
        done = stop
        difference = (read(page, shape)[: rule.settings.channels] - state[0]).abs()
        assert float(difference.max()) < 1e-5 * max(1.0, float(state.abs().max())), stop
    assert not read(page, shape)[rule.settings.channels :].any()


def test_any_rule_that_is_dropped_runs_as_in_torch(page):
    for name, settings in RULES.items():
        rule = bounded_rule(settings, update_bias=True)
        drop(page, f"{name}.safetensors", rule_bytes(rule, {"author": "Ann"}))
        until(page, f"{TOAST} === 'Opened {name}'")
        assert page.inner_text("#name") == name
        assert page.inner_text("#credit") == "Ann"
        check_steps(page, rule, (1, 2) if "rounded" in name else (1, 10, 60))
    assert page.locator("#rules button").count() == 1 + len(RULES)
    # The rule of the page was exported for a state of one texture, and now runs on ten.
    page.evaluate("nca.player.setRule(0)")
    check_steps(page, bounded_rule(RuleSettings(4, 8)), (1, 10))
    # Two rules side by side.
    page.evaluate("nca.player.simulation.paintRule(1, {x0: 5, y0: 5, x1: 9, y1: 9, radius: 4})")
    until(page, "nca.player.simulation.ready")
    page.evaluate("nca.player.runSteps(5)")
    assert page.evaluate("nca.player.gl.getError()") == 0


def test_bundled_rules_run_as_in_torch(page):
    for name in ("scales", "bricks"):  # without and with dilated filters; the others are alike
        page.set_input_files("[name=file]", gallery_path(name))
        until(page, f"{TOAST} === 'Opened {name}'")
        check_steps(page, load_rule(gallery_path(name)).rule, (1, 10))


def test_macros_and_texels_are_those_of_python(page):
    filters = torch.rand(5, 3, 3, generator=torch.Generator().manual_seed(1))
    odd = Rule(RuleSettings(5, 7, noise_level=1e-7), filters)
    for rule in (odd, DECODED, *(bounded_rule(settings) for settings in RULES.values())):
        text = base64.b64encode(rule_bytes(rule)).decode()
        values, texels = page.evaluate(
            """(text) => {
              const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
              const rule = nca.reading.readRuleFile(bytes);
              return [nca.reading.macros(rule), [...nca.reading.packWeights(rule)]];
            }""",
            text,
        )
        assert np.array_equal(np.float32(texels), pack_weights(rule).ravel())
        expected = macros(rule)
        assert list(values) == list(expected)
        for name, value in expected.items():
            assert numbers(str(values[name])) == numbers(value), name


def numbers(text: str) -> list[float]:
    return [float(np.float32(word)) for word in text.split(", ")]


def test_published_rules_are_those_of_python(page, tmp_path):
    path = tmp_path / "article.json"
    path.write_text(json.dumps(article()))
    rules = read_published(path)
    page.set_input_files("[name=file]", path)
    until(page, f"{TOAST}.startsWith('Opened')")
    assert page.evaluate("nca.actions.rules.map((rule) => rule.name)") == ["plain", *rules]
    for number, file in enumerate(rules.values(), 1):
        found = page.evaluate(
            "n => ['filters', 'w1', 'b1', 'w2', 'b2'].map((k) => [...nca.actions.rules[n][k]])",
            number,
        )
        tensors = [file.rule.filters, *(p.detach() for p in file.rule.parameters())]
        for values, tensor in zip(found, tensors, strict=True):
            assert np.array_equal(np.float32(values), tensor.numpy().ravel())
        settings = page.evaluate("n => nca.actions.rules[n].settings", number)
        assert settings == {**file.rule.settings.to_dict(), **UNSET}


def test_links_are_read_and_written_as_in_python(page):
    rules = [bounded_rule(settings, update_bias="r" in name) for name, settings in RULES.items()]
    for rule in (*rules, DECODED):
        for bits in (8, 16):
            text = write_link(rule, bits)
            written, found = page.evaluate(
                """([link, file, bits]) => {
                  const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
                  const rule = nca.reading.readLink(link), kept = nca.reading.readRuleFile(bytes);
                  const tensors = ["filters", "w1", "b1", "w2", "b2"].filter((k) => rule[k]);
                  tensors.push(...Object.keys(rule).filter((name) => name.startsWith("decoder.")));
                  const settings = rule.settings;
                  const values = tensors.map((k) => [...rule[k]]);
                  return [nca.reading.writeLink(kept, bits), [settings, values]];
                }""",
                [text, base64.b64encode(rule_bytes(rule)).decode(), bits],
            )
            assert written == text
            short = read_link(text)
            settings = json.loads(json.dumps(short.settings.to_dict()))
            assert found[0] == {**UNSET, **settings}
            tensors = [short.filters, *(p.detach() for p in short.parameters())]
            for values, tensor in zip(found[1], tensors, strict=True):
                assert np.array_equal(np.float32(values), tensor.numpy().ravel())


def test_a_link_shows_its_rule_on_any_page_and_can_be_copied_again(still_page, page):
    rule = bounded_rule(RuleSettings(8, 16))
    link = fragment("<b>lava</b>", rule)
    opened = still_page({"plain": rule}, f"{link}&s=7&v=channel+2", grid=GRID)
    assert opened.inner_text("#name") == "<b>lava</b>"
    assert opened.evaluate("[nca.player.simulation.seed, nca.actions.view]") == [7, "channel 2"]
    short = read_link(link.removeprefix("#r=").partition("&")[0])
    check_steps(opened, short, (1, 10), seed=7)
    until(opened, "location.hash.includes('v=channel+2')")
    assert opened.evaluate("location.hash").startswith(link.partition("&")[0])
    opened.evaluate("navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }")
    opened.keyboard.press("l")
    until(opened, f"{TOAST}.startsWith('Link copied, ')")
    copied = opened.evaluate("copied")
    assert copied.startswith(link.partition("&")[0])
    drop(page, "", text=f"https://example.org/player.html{copied}")
    until(page, "nca.actions.view === 'channel 2' && nca.player.simulation.seed === 7")
    check_steps(page, short, (1, 10), seed=7)
    # A rule of the page itself goes into a link too.
    page.evaluate("nca.player.setRule(0)")
    page.evaluate("navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }")
    page.click("#dock [data-action=settings]")
    page.click("#panel [data-action=copyLink]")
    until(page, "globalThis.copied")
    own = read_link(page.evaluate("copied").removeprefix("#r=").partition("&")[0])
    plain = bounded_rule(RuleSettings(4, 8))
    for a, b in zip(own.parameters(), plain.parameters(), strict=True):
        assert float((a - b).detach().abs().max()) < 1e-4


def test_an_opened_link_gives_the_settings_that_a_page_started_with_it_has(still_page):
    settings = """(() => {
      const { player, simulation, view } = nca.actions, { look, speed } = player;
      const { width, height, seed, calm, updateRate } = simulation;
      const { averageSteps, scaling, transparent, flashLimit } = look;
      return [width, height, seed, calm, updateRate, averageSteps, scaling, transparent,
        flashLimit, view, speed.stepsPerFrame];
    })()"""
    rules = {"one": bounded_rule(RuleSettings(4, 8))}
    page = still_page(rules, grid=(16, 12))
    link = page.evaluate("nca.reading.writeLink(nca.actions.rules[0], 16)")
    for rest in ("s=5&g=40x24&k=2", "s=6&c=0.5&a=4&z=squares&v=raw"):
        address = f"#r={link}&m=other&{rest}"
        page.evaluate("""() => {
          const { actions } = nca, { look } = actions.player;
          actions.steer({ calm: 1, updateRate: 0.5 });
          actions.setAverage(8);
          actions.setScaling("sharp");
          actions.setView("channels");
          actions.setSpeed(4);
          Object.assign(look, { transparent: true, flashLimit: false });
        }""")
        page.evaluate("(text) => nca.actions.openLink(text)", address)
        assert page.evaluate(settings) == still_page(rules, address, grid=(16, 12)).evaluate(
            settings
        )


def test_what_cannot_be_opened_gets_one_line_and_changes_nothing(page, still_page, tmp_path):
    path = tmp_path / "cut.safetensors"
    save_rule(path, bounded_rule(RuleSettings(12, 16)))
    data = path.read_bytes()
    link = fragment("a", bounded_rule(RuleSettings(4, 8)))
    refused = {
        "cut.safetensors": (
            data[:500],
            "cut.safetensors: it is not a .safetensors file, or it is incomplete",
        ),
        "long.safetensors": (data + b"\0", "it is incomplete or damaged"),
        "odd.safetensors": (
            rule_bytes(DECODED).replace(b"order", b"ordre", 1),
            "unknown decoder setting 'ordre'; possible: scale, order, hidden, activation",
        ),
        "a.json": (b'{"model_names": 1}', "a.json: model_names must be a list of names"),
        "b.json": (b"\xff", "b.json: it is not text"),
    }
    for name, (content, said) in refused.items():
        drop(page, name, content)
        until(page, f"{TOAST}.includes({said!r})")
    for text, said in (
        (link.replace("r=AQ", "r=Ag"), "the link has version 2, but this page reads 1"),
        (link[:60], "the link is incomplete or damaged"),
        ("https://example.org", "This is not a link to a texture"),
    ):
        drop(page, "", text=text)
        until(page, f"{TOAST} === {said!r}")
    assert page.evaluate("nca.actions.rules.length") == 1
    page.evaluate("nca.player.runSteps(2)")
    opened = still_page({"plain": bounded_rule(RuleSettings(4, 8))}, link[:60], grid=GRID)
    assert "the link is incomplete or damaged" in opened.inner_text("#toast")
    assert opened.inner_text("#name") == "plain"


def test_a_dropped_rule_survives_a_reload(page):
    rule = bounded_rule(RuleSettings(8, 16))
    drop(page, "leaf.safetensors", rule_bytes(rule))
    until(page, "location.hash.includes('m=leaf')")
    page.reload()
    until(page, READY)
    assert page.inner_text("#name") == "leaf"
    page.evaluate("nca.player.setRunning(false)")
    check_steps(page, shortened(rule, 16), (1, 5))


def test_a_file_of_the_same_name_replaces_the_rule(page, tmp_path):
    first, second = (bounded_rule(RuleSettings(8, 16), seed=seed) for seed in (1, 2))
    for rule in (first, second):
        drop(page, "leaf.safetensors", rule_bytes(rule))
        until(page, "nca.actions.rules.length === 2")
        until(page, f"nca.actions.rules[1].w1[0] === {float(rule.w1.detach()[0, 0])}")
        check_steps(page, rule, (1, 5))
    assert page.evaluate("nca.actions.rules.length") == 2


def test_files_are_chosen_by_keyboard(page):
    choosers: list[FileChooser] = []

    def keep(chooser: FileChooser) -> None:
        choosers.append(chooser)

    page.once("filechooser", keep)
    for _ in range(60):  # a busy browser loses a key now and then
        page.keyboard.press("Control+o")
        page.wait_for_timeout(1000)
        if choosers:
            break
    choosers[0].set_files(gallery_path("coral"))
    until(page, f"{TOAST} === 'Opened coral'")
    button = page.locator("#rules button").nth(1)
    assert button.get_attribute("aria-label") == "coral"
    assert page.locator("#rules img").count() == 1  # the thumbnail from the file
