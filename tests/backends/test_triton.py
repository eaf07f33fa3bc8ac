"""The backend for GPUs; without one, its kernels run in Triton's interpreter on the CPU."""

import copy
import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nca.backends import unroll
from nca.backends.choice import choose_backend
from nca.errors import InputError
from nca.rule_settings import Quantization, Quantizer
from tests.backends.test_backends import CASES
from tests.backends.unroll_oracle import Case, cosine, largest_error, make_case, oracle, results

triton_backend = pytest.importorskip("nca.backends.triton_backend")
triton_tape = pytest.importorskip("nca.backends.triton_tape")
unroll_triton = triton_backend.unroll_triton
on_gpu_only = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(autouse=True)
def _few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():  # the interpreter's time grows with their number
        monkeypatch.setattr(triton_tape, "CELLS", 1024)


def on_device(case: Case) -> Case:
    if not torch.cuda.is_available():
        return case
    rule, *tensors = case
    return Case(copy.deepcopy(rule).cuda(), *(tensor.cuda() for tensor in tensors))


def errors_of(case: Case) -> dict[str, float]:
    right, got = oracle(case), results(unroll_triton, on_device(case))
    return {key: largest_error(got[key].cpu(), value) for key, value in right.items()}


SUPPORTED = [name for name in CASES if name not in ("dilated reflect", "dilated replicate")]


@pytest.mark.parametrize("name", SUPPORTED)
def test_float32_agrees_with_float64_steps(name: str) -> None:
    errors = errors_of(make_case(**CASES[name] | {"steps": 2}))
    assert max(errors.values()) < 1e-5, errors


def test_many_steps_and_several_blocks_of_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tape, "CELLS", 64)
    errors = errors_of(make_case(size=(9, 11), steps=6))
    assert max(errors.values()) < 1e-5, errors


def test_the_precision_of_the_products_is_torchs() -> None:
    device = torch.device("cpu")
    assert triton_backend.products_of(device) == "ieee"
    with torch.autocast("cpu", torch.bfloat16):
        assert triton_backend.products_of(device) == "bfloat16"


@on_gpu_only  # the interpreter multiplies the bits of a bfloat16 as if they were integers
def test_autocast_chooses_bfloat16() -> None:
    case = make_case(steps=8)
    exact = results(unroll_triton, on_device(case))
    with torch.autocast("cuda", torch.bfloat16):
        got = results(unroll_triton, on_device(case))
    assert got["last"].dtype == torch.float32
    assert not torch.equal(got["last"], exact["last"])
    for key, value in oracle(case).items():
        assert cosine(got[key].cpu(), value) > 0.998, key


def test_the_same_bits_every_time() -> None:
    case = on_device(make_case(steps=4, bias=True))
    first, second = results(unroll_triton, case), results(unroll_triton, case)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_unroll_between_the_forward_and_the_backward_of_another() -> None:
    first, second = (on_device(make_case(seed=seed, steps=3)) for seed in (2, 3))
    alone = results(unroll_triton, first)
    state = first.state.clone().requires_grad_(True)
    last = unroll_triton(state, first.rule, first.masks)
    results(unroll_triton, second)
    last.backward(first.d_last)
    assert torch.equal(state.grad, alone["d_state"])


def test_memory_is_used_again() -> None:
    case = on_device(make_case(steps=3))
    problem = triton_backend.problem_of(case.state, case.rule)
    results(unroll_triton, case)
    gc.collect()
    before = list(triton_backend._tapes._free[problem, True])
    results(unroll_triton, case)
    gc.collect()
    assert triton_backend._tapes._free[problem, True] == before


def test_a_second_backward_through_a_retained_graph() -> None:
    case = on_device(make_case(steps=3))
    state = case.state.clone().requires_grad_(True)
    last = unroll_triton(state, case.rule, case.masks)
    last.backward(case.d_last, retain_graph=True)
    once = state.grad.clone()
    last.backward(case.d_last)
    assert torch.equal(state.grad, 2 * once)


def test_no_step_is_the_identity() -> None:
    case = on_device(make_case())
    assert torch.equal(unroll_triton(case.state, case.rule, case.masks[:0]), case.state)


@pytest.mark.parametrize("name", ["default", "life"])
def test_without_gradients_it_gives_the_same_state(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = on_device(make_case(**CASES[name] | {"steps": 5}))
    with torch.no_grad():
        last = unroll_triton(case.state, case.rule, case.masks)
    assert last.grad_fn is None
    assert torch.equal(last, results(unroll_triton, case)["last"])
    monkeypatch.setattr(triton_backend, "RECORDED", 2)  # two recordings and a rest
    with torch.no_grad():
        assert torch.equal(unroll_triton(case.state, case.rule, case.masks), last)


@pytest.mark.parametrize("name", ["default", "life"])
def test_recording_leaves_no_trace(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class RunsFirst(triton_tape.Graph):  # type: ignore[name-defined]
        """Runs what it records once, as a GPU does to compile the kernels."""

        def __init__(
            self, run: Callable[[int], None], steps: int, *others: Any, **more: Any
        ) -> None:
            run(steps)
            super().__init__(run, steps, *others, **more)

    case = on_device(make_case(**CASES[name] | {"steps": 5}))
    right = results(unroll_triton, case)
    monkeypatch.setattr(triton_tape, "Graph", RunsFirst)
    monkeypatch.setattr(triton_backend, "_tapes", triton_backend.Tapes())
    monkeypatch.setattr(triton_backend, "RECORDED", 2)
    got = results(unroll_triton, case)
    assert all(torch.equal(got[key], value) for key, value in right.items())
    with torch.no_grad():
        assert torch.equal(unroll_triton(case.state, case.rule, case.masks), right["last"])


def test_what_it_cannot_compute_is_named() -> None:
    case = on_device(make_case())
    rounding = on_device(make_case(quantization=Quantization(hidden=Quantizer(4.0, 0.5))))
    reason = "backend triton cannot be used here: it does not support rules that round"
    with pytest.raises(InputError, match=reason):
        unroll(rounding.state, rounding.rule, rounding.masks, backend="triton")
    with pytest.raises(InputError, match="float32"):
        unroll(case.state.double(), case.rule.double(), case.masks, backend="triton")


def test_more_inputs_than_shared_memory_holds_go_to_torch() -> None:
    case = on_device(make_case(channels=33, filters=torch.rand(5, 3, 3)))
    assert "256 padded inputs" in str(triton_backend.unsupported_reason(case.state, case.rule))


def test_cpu_states_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_backend, "INTERPRETED", False)
    case = make_case()
    with pytest.raises(InputError, match="not on a GPU"):
        unroll(case.state, case.rule, case.masks, backend="triton")


def test_auto_takes_it_where_the_state_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(Tensor):
        is_cuda = True

    monkeypatch.setattr(triton_backend, "unsupported_reason", lambda *_: None)
    case = make_case()
    assert choose_backend("auto", case.state.as_subclass(OnGpu), case.rule) == "triton"
    assert choose_backend("auto", case.state, case.rule) == "native"
