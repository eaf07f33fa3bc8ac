import pytest
import torch
from torch import Tensor

from nca.backends import Backend, describe_backends, unroll
from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.rule import Rule
from nca.rule_settings import Quantization, Quantizer
from tests.backends.unroll_oracle import largest_error, make_case, oracle, results

CASES = {
    "default": {},
    "tiny": {"channels": 4, "hidden": 8},
    "odd grid": {"size": (31, 77), "steps": 4},
    "tiny odd grid": {"channels": 4, "hidden": 8, "size": (31, 77), "steps": 4},
    "zeros": {"padding": "zeros"},
    "tiny zeros": {"channels": 4, "hidden": 8, "padding": "zeros"},
    "replicate": {"padding": "replicate", "size": (5, 9)},
    "tiny replicate": {"channels": 5, "hidden": 7, "padding": "replicate", "size": (5, 9)},
    "reflect": {"padding": "reflect", "size": (7, 16)},
    "tiny reflect": {"channels": 4, "hidden": 16, "padding": "reflect", "size": (7, 33)},
    "smallest reflect": {"padding": "reflect", "size": (2, 2)},
    "one cell": {"size": (1, 1), "steps": 3},
    "tiny one cell": {"channels": 4, "hidden": 1, "size": (1, 1), "steps": 3},
    "bias and clip": {"channels": 20, "hidden": 33, "bias": True, "hidden_clip": 0.3},
    "tiny bias and clip": {"channels": 6, "hidden": 11, "bias": True, "hidden_clip": 0.3},
    "every cell fires": {"rate": 1.0, "size": (9, 11)},
    "few cells fire": {"rate": 0.02, "size": (40, 40)},
    "one sample": {"batch": 1},
    "one step": {"steps": 1},
    "many channels": {"channels": 64, "hidden": 130, "size": (8, 8), "steps": 4},
    "many channels, few hidden": {"channels": 61, "hidden": 3, "size": (8, 8), "steps": 4},
    "many hidden": {"channels": 4, "hidden": 1024, "size": (8, 8), "steps": 4},
    # With the seed 0 a hidden value lies within 1e-8 of the ReLU's kink: another order of float32
    # sums than float64's may put it on the other side.
    "other filters": {"filters": torch.linspace(-1, 1, 45).reshape(5, 3, 3) ** 3 / 2, "seed": 1},
    "tiny other filters": {
        "channels": 7,
        "hidden": 5,
        "filters": torch.linspace(-1, 1, 18).reshape(2, 3, 3) ** 3 / 2,
    },
    "life": {
        "channels": 16,
        "hidden": 33,
        "alive_threshold": 0.1,
        "bias": True,
        "padding": "zeros",
    },
    "tiny life": {"channels": 4, "hidden": 8, "alive_threshold": 0.2, "size": (9, 31)},
    "dilated": {"dilations": (1, 1, 1, 1, 3, 3, 3)},
    "dilated reflect": {"dilations": (2, 2, 3, 3), "padding": "reflect", "size": (4, 9)},
    "dilated replicate": {"dilations": (1, 1, 2, 3), "padding": "replicate", "size": (5, 9)},
    "tiny dilated": {
        "channels": 4,
        "hidden": 8,
        "dilations": (1, 1, 1, 1, 2, 2, 2),
        "padding": "zeros",
    },
    "one filter": {"filters": torch.full((1, 3, 3), 1 / 9), "hidden": 20, "padding": "zeros"},
}


@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("name", CASES)
def test_float32_agrees_with_float64_steps(name: str, backend: Backend) -> None:
    case = make_case(**CASES[name])
    right = oracle(case)
    got = results(lambda *call: unroll(*call, backend=backend), case)
    errors = {key: largest_error(got[key], right[key]) for key in right}
    assert max(errors.values()) < 1e-5, errors


def test_it_takes_any_strides() -> None:
    case = make_case(size=(9, 13))
    right = results(lambda *call: unroll(*call, backend="native"), case)

    def strided(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
        state = state.contiguous(memory_format=torch.channels_last)
        masks = masks.transpose(2, 3).contiguous().transpose(2, 3)
        assert not state.is_contiguous()
        assert not masks.is_contiguous()
        last = unroll(state, rule, masks, backend="native")
        return last.transpose(2, 3).contiguous().transpose(2, 3)  # makes d_last strided too

    got = results(strided, case)
    for key, value in right.items():
        assert torch.equal(got[key], value), key


def test_no_step_is_the_identity() -> None:
    state, rule = make_case().state, make_case().rule
    masks = torch.zeros(0, 2, 16, 16, dtype=torch.bool)
    for backend in ("torch", "native"):
        assert torch.equal(unroll(state, rule, masks, backend=backend), state)


def test_what_native_cannot_compute_goes_to_torch() -> None:
    case = make_case()
    rounding = make_case(quantization=Quantization(hidden=Quantizer(4.0, 0.5)))
    with pytest.raises(InputError, match="round"):
        unroll(rounding.state, rounding.rule, rounding.masks, backend="native")
    double = make_case().rule.double()
    with pytest.raises(InputError, match="float32"):
        unroll(case.state.double(), double, case.masks, backend="native")
    assert unroll(case.state.double(), double, case.masks).dtype == torch.float64


@pytest.mark.parametrize(
    ("state", "masks", "named"),
    [
        ((2, 11, 16, 16), (8, 2, 16, 16), r"state must be \[B, 12"),
        ((12, 16, 16), (8, 2, 16, 16), r"state must be \[B, 12"),
        ((2, 12, 16, 16), (8, 2, 16, 15), "masks must be"),
        ((2, 12, 16, 16), (8, 3, 16, 16), "masks must be"),
        ((2, 12, 16, 16), (2, 16, 16), "masks must be"),
        ((2, 12, 0, 16), (8, 2, 0, 16), "at least 1x1"),
    ],
)
def test_wrong_shapes_are_refused(
    state: tuple[int, ...], masks: tuple[int, ...], named: str
) -> None:
    rule = make_case().rule
    with pytest.raises(ValueError, match=named):
        unroll(torch.zeros(state), rule, torch.ones(masks, dtype=torch.bool))


def test_other_wrong_inputs_are_refused() -> None:
    case = make_case()
    with pytest.raises(ValueError, match=r"masks must be torch\.bool"):
        unroll(case.state, case.rule, case.masks.float())
    with pytest.raises(InputError, match="backend must be"):
        unroll(case.state, case.rule, case.masks, backend="gpu")  # type: ignore[arg-type]
    flat = make_case(padding="reflect")
    with pytest.raises(ValueError, match="at least 2x2"):
        unroll(flat.state[:, :, :1], flat.rule, flat.masks[:, :, :1])


def test_backends_are_described() -> None:
    reports = {report.name: report for report in describe_backends(make_case().rule)}
    assert list(reports) == ["triton", "native", "torch"]
    assert reports["torch"].available
    assert reports["native"].available
    assert "float32" in reports["native"].detail
    assert [name for name, report in reports.items() if report.taken] == ["native"]
    rounding = make_case(quantization=Quantization(hidden=Quantizer(4.0, 0.5)))
    reports = {report.name: report for report in describe_backends(rounding.rule)}
    assert "does not support rules that round" in reports["native"].detail
    assert [name for name, report in reports.items() if report.taken] == ["torch"]


@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("rate", [0.25, 0.5, 1.0])
def test_simulate_fires_the_cells_that_the_rule_fires(
    backend: Backend, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(8, 20, (13, 37), rate=rate)
    seed = 2**32 - 1
    with torch.no_grad():
        right = [case.rule(case.state, steps, seed=seed) for steps in (3, 20)]
    for cells in (2**21, 1):  # all masks at once; one by one
        monkeypatch.setattr("nca.backends.simulate.CELLS_AT_ONCE", cells)
        got = simulate(case.rule, case.state, [3, 20], seed=seed, backend=backend)
        for state, expected in zip(got, right, strict=True):
            assert largest_error(state, expected.double()) < 1e-5
