import pytest
import torch

from nca.backends.simulate import simulate
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.texture.pool import Pool, blown_up
from nca.texture.settings import TrainSettings
from tests.helpers.rules import bounded_rule


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pool_draws_seeds_masks_and_steps_in_range(settings: TrainSettings) -> None:
    undamaged = settings.override(reset_rate=1.0, damage_rate=0.0)
    pool = Pool(Rule(RuleSettings(4, 8)), undamaged.pool, generator())
    pool.states += 0.5
    lengths = set()
    for _ in range(40):
        draw = pool.draw()
        assert draw.masks.shape[1:] == (4, 16, 16)
        assert (draw.state[0] == 0).all()
        assert (draw.state[1:] == 0.5).all()
        assert len(draw.index.unique()) == 4
        lengths.add(len(draw.masks))
    assert lengths == {3, 4, 5, 6}


def test_damage_is_a_small_disc_of_the_last_state(settings: TrainSettings) -> None:
    damaged = settings.override(reset_rate=0.0, damage_rate=1.0, grid=64, late_from=1.0)
    pool = Pool(Rule(RuleSettings(4, 8)), damaged.pool, generator())
    pool.states += 2
    sizes, erased = [], 0
    for _ in range(60):
        state = pool.draw().state
        assert (state[:-1] == 2).all()
        disc = (state[-1] != 2).all(0)
        assert torch.equal(disc, (state[-1] != 2).any(0))
        assert state[-1, :, disc].abs().max() <= 0.5
        erased += bool((state[-1, :, disc] == 0).all())
        sizes.append(float(disc.float().mean()))
    assert 15 < erased < 45
    assert 0.002 < min(sizes) < 0.02
    assert 0.03 < max(sizes) < 3.1416 / 64  # the area of a disc a quarter as wide


def test_pool_grows_late(settings: TrainSettings) -> None:
    pool = Pool(Rule(RuleSettings(4, 8)), settings.pool, generator())
    pool.progress = settings.pool.unroll.late_from
    draw = pool.draw()
    assert draw.state.shape == (4, 4, 24, 24)
    assert pool.states.shape == (8, 4, 24, 24)
    assert 4 <= len(draw.masks) <= 8


def test_pool_keeps_states_and_restarts_the_blown_up(settings: TrainSettings) -> None:
    pool = Pool(Rule(RuleSettings(4, 8)), settings.override(reset_rate=0.0).pool, generator())
    draw = pool.draw()
    after = torch.full((4, 4, 16, 16), 0.25)
    after[1, 0, 0, 0] = 3.5
    after[2, 3, 5, 5] = torch.nan
    assert blown_up(after).tolist() == [False, True, True, False]
    pool.put_back(draw.index, after)
    assert (pool.states[draw.index[[0, 3]]] == 0.25).all()
    assert (pool.states[draw.index[[1, 2]]] == 0).all()


def test_pool_comes_back_bit_by_bit(settings: TrainSettings) -> None:
    rule = Rule(RuleSettings(4, 8))
    pool = Pool(rule, settings.pool, generator())
    pool.put_back(pool.draw().index, torch.rand(4, 4, 16, 16))
    other = Pool(rule, settings.pool, generator(9))
    other.load_state_dict(pool.state_dict())
    first, second = pool.draw(), other.draw()
    assert torch.equal(first.state, second.state)
    assert torch.equal(first.masks, second.masks)


def test_late_states_are_left_to_themselves_for_long(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nca.texture.pool.AGE", 7)
    rule = bounded_rule(RuleSettings(4, 8))

    def grown(state: torch.Tensor, steps: int, seed: int) -> torch.Tensor:
        (old,) = simulate(rule, state, [steps], seed=seed)
        return old

    pool = Pool(rule, settings.override(aging_rate=1.0).pool, generator(), simulate=grown)
    pool.states = pool.states.fill_(0.3)
    assert all((state == 0.3).all() for state in pool.draw().state[1:3])
    pool.progress = 1.0
    pool.draw()
    pool.states = pool.states.fill_(0.3)
    changed = [bool((state != 0.3).any()) for state in pool.draw().state[1:3]]
    assert changed == [False, True]
    assert (pool.states == 0.3).all()
