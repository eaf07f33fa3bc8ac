from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.errors import InputError
from nca.losses.settings import PenaltySettings
from nca.rulefile import load_rule
from nca.texture.objective import Grow
from nca.texture.pool import Draw
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.tasks.several import Several, noise_levels
from nca.texture.train import FILES, train
from nca.training.engines import Engine


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """Red, green and blue in one rule."""
    paths = []
    for name in ("red", "green", "blue"):
        noise = Image.effect_noise((40, 40), 30).convert("RGB")
        Image.blend(noise, Image.new("RGB", (40, 40), name), 0.8).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    return train_settings(
        paths[0], tmp_path / "run", "tiny", also=tuple(paths[1:]), size=32,
        grid=16, late_grid=16, steps=(3, 6), late_steps=(4, 8), pool_size=9, iterations=6,
        features="random", quiet=True,
    )  # fmt: skip


@pytest.fixture
def task(settings: TrainSettings) -> Several:
    return several(settings)


def several(settings: TrainSettings, *, rank: int = 0, processes: int = 1) -> Several:
    """The task of one of some processes."""
    generator = torch.Generator().manual_seed(0)
    engine = Engine()
    engine.rank, engine.processes = rank, processes
    return Several(settings, Several.read(settings), generator, engine)


def test_noise_distinguishes_the_images(task: Several) -> None:
    assert noise_levels(3) == [0, 0.5, 1]
    width = task.pool.states.amax((1, 2, 3)) - task.pool.states.amin((1, 2, 3))
    for i in range(9):
        assert float(width[i]) == pytest.approx([0, 0.5, 1][i % 3], abs=0.02)


def test_every_batch_has_every_picture(task: Several) -> None:
    picked = torch.stack([task.pool.pick() for _ in range(30)])
    assert all(len(row.unique()) == 4 for row in picked)
    counts = torch.stack([(picked % 3 == i).sum(1) for i in range(3)])
    assert counts.min() == 1
    assert len(picked[:, 0].unique()) > 5


@pytest.mark.parametrize(("batch", "processes"), [(3, 1), (4, 1), (2, 2), (5, 1)])
def test_no_picture_is_favored(settings: TrainSettings, batch: int, processes: int) -> None:
    pool = several(settings.override(batch_size=batch), processes=processes).pool
    counts = [torch.bincount(pool.pick() % 3, minlength=3) for _ in range(300)]
    for count in counts:
        assert count.max() - count.min() <= 1
    mean = torch.stack(counts).float().mean(0) * 3 / (batch * processes)
    assert mean.tolist() == pytest.approx([1, 1, 1], abs=0.06)


def test_a_batch_without_a_picture_is_refused(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match="`batch_size` 2: an iteration would have 2 states for 3"):
        several(settings.override(batch_size=2))
    several(settings.override(batch_size=2), processes=2)


def test_a_disc_of_a_state_is_reset_to_its_own_picture(settings: TrainSettings) -> None:
    pool = several(settings.override(damage_rate=1.0, reset_rate=0.0)).pool
    for i, level in enumerate((0, 0.5, 1)):
        state = torch.full((4, 4, 64, 64), 9.0)
        pool.disturb(torch.tensor([4, 5, 3, i]), state)
        assert (state[:3] == 9).all()
        disc = (state[3] != 9).any(0)
        assert 0.002 < disc.float().mean() < 0.05  # a quarter as wide at most
        assert float(state[3, :, disc].abs().max()) == pytest.approx(level / 2, abs=0.03)


def test_damage_has_its_rate(settings: TrainSettings) -> None:
    pool = several(settings.override(damage_rate=0.25, reset_rate=0.0)).pool
    damaged = 0
    for _ in range(200):
        state = torch.full((4, 4, 16, 16), 9.0)
        pool.disturb(torch.arange(4), state)
        damaged += bool((state[3] != 9).any())
    assert 30 < damaged < 70


def test_processes_draw_the_same_whatever_pictures_they_have(settings: TrainSettings) -> None:
    two = settings.override(batch_size=2, statistic="transport")
    tasks = [several(two, rank=rank, processes=2) for rank in range(2)]
    apart = 0
    for _ in range(10):
        batches = [task.pool.draw() for task in tasks]
        there = [set((batch.index % 3).tolist()) for batch in batches]
        assert there[0] | there[1] == {0, 1, 2}
        apart += len(there[0]) != len(there[1])
        for task, batch, own in zip(tasks, batches, there, strict=True):
            state = batch.state.requires_grad_()
            terms = Grow(task, PenaltySettings(), cap=True).losses(state, batch)
            absent = tuple(f"texture{i + 1}/" for i in {0, 1, 2} - own)
            assert all(float(v) == 0 for name, v in terms.items() if name.startswith(absent))
            sum(terms.values()).backward()
            assert state.grad.isfinite().all()
    assert apart  # one of them had more pictures than the other
    first, second = (task.pool.generator.get_state() for task in tasks)
    assert torch.equal(first, second)


def test_reset_erase_and_noise_of_a_player_are_the_seeds(task: Several) -> None:
    rule = task.rule
    assert rule.settings.start == "noise"
    assert rule.settings.noise_level == 0.5  # reset grows the second
    assert float(
        rule.with_settings(noise_level=1.0).initial_state(1, 16, 16).abs().max()
    ) == pytest.approx(0.5, abs=0.01)
    assert not rule.with_settings(noise_level=0.0).initial_state(1, 16, 16).any()


def test_a_state_is_compared_with_its_own_picture(task: Several) -> None:
    red, green = (target - 0.5 for target in task.target[:2])
    states = torch.zeros(4, 4, 32, 32)
    for i, colors in enumerate((red, green, red, green)):
        states[i, :3] = colors
    index = torch.tensor([0, 1, 3, 4])  # pictures 0, 1, 0, 1
    masks = torch.zeros(0, 4, 32, 32, dtype=torch.bool)
    objective = Grow(task, PenaltySettings(), cap=True)
    right = objective.losses(states, Draw(index, states, masks))
    wrong = objective.losses(states, Draw(index + 1, states, masks))
    assert {name.partition("/")[0] for name in right} == {
        "texture1", "texture2", "texture3", "overflow",
    }  # fmt: skip
    assert list(right) == list(wrong)
    total = sum(float(v) for v in right.values())
    assert total < 0.3 * sum(float(v) for v in wrong.values())
    assert all(float(v) == 0 for name, v in right.items() if name.startswith("texture3"))


def test_an_additional_term_compares_every_state_with_its_own_picture(
    settings: TrainSettings,
) -> None:
    task = several(settings.override(terms={"patches": 1.0}))
    red, green = (target - 0.5 for target in task.target[:2])
    states = torch.zeros(2, 4, 32, 32)
    states[0, :3], states[1, :3] = red, green
    right = task.compare(task.rule, states, torch.tensor([0, 1]))
    wrong = task.compare(task.rule, states, torch.tensor([1, 0]))
    assert (right["patches/1"] < 0.3 * wrong["patches/1"]).all()


def test_several_leave_what_they_promise(settings: TrainSettings) -> None:
    train(settings)
    assert all((settings.out / name).stat().st_size > 0 for name in FILES)
    assert load_rule(settings.out / "rule.safetensors").rule.settings.noise_level == 0.5
    with Image.open(settings.out / "preview.png") as preview:
        assert preview.height > 3 * 320


def test_the_noise_decides(settings: TrainSettings) -> None:
    two = settings.override(also=settings.task.also[:1], iterations=150, channels=6, hidden=24)
    # Gram matrices: the fastest at first.
    rule = train(two.override(late_from=1.0, steps=(8, 14), statistic="gram")).kept.rule
    seeded = [rule.with_settings(noise_level=level) for level in (0.0, 1.0)]
    first, second = (one.to_rgb(one(one.initial_state(1, 32, 32), 30)) for one in seeded)
    red, green = (image.mean((0, 2, 3)) for image in (first, second))
    # In so few iterations the second is not yet green, but far from the red of the first.
    assert red[0] - red[1] > green[0] - green[1] + 0.05


def test_kinds_exclude_each_other(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match="`grow` and `also` exclude each other"):
        settings.override(grow=True)
    with pytest.raises(InputError, match="at most two more images"):
        settings.override(also=settings.task.also * 2)
