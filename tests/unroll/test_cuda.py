"""The backend for GPUs. Where there is none, its functions run on the CPU, without CUDA graphs."""

import pytest
import torch
from torch import Tensor

from nca.errors import InputError
from nca.unroll import unroll
from nca.unroll.cuda import _recordings, obstacle, unroll_cuda
from tests.unroll.test_unroll import CASES
from tests.unroll.unroll_oracle import Case, cosine, largest_error, make_case, oracle, results


def on_gpu(case: Case) -> Case:
    rule, *tensors = case
    return Case(rule.cuda(), *(tensor.cuda() for tensor in tensors))


@pytest.mark.parametrize("name", CASES)
def test_float32_agrees_with_float64_steps(name: str) -> None:
    case = make_case(**CASES[name])
    right, got = oracle(case), results(unroll_cuda, case)
    errors = {key: largest_error(got[key], right[key]) for key in right}
    assert max(errors.values()) < 1e-5, errors


def test_autocast_chooses_bfloat16() -> None:
    case = make_case(size=(32, 32), steps=24)
    exact = results(unroll_cuda, case)
    with torch.autocast("cpu", torch.bfloat16):
        got = results(unroll_cuda, case)
    assert got["last"].dtype == torch.float32
    assert not torch.equal(got["last"], exact["last"])
    for key, value in oracle(case).items():
        assert cosine(got[key], value) > 0.998, key


def test_only_states_are_kept_for_the_backward_pass() -> None:
    case = make_case(hidden=40, size=(9, 13), steps=8)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        unroll_cuda(case.state, case.rule, case.masks)
    large = [tensor for tensor in kept if tensor.shape == case.state.shape]
    assert len(large) == 8
    assert max(tensor.numel() for tensor in kept) < 40 * case.masks[0].numel()  # no hidden layer


def test_no_step_is_the_identity() -> None:
    case = make_case()
    last = unroll_cuda(case.state, case.rule, case.masks[:0])
    assert torch.equal(last, case.state)
    last.sum().backward()  # type: ignore[no-untyped-call]
    assert float(case.rule.w1.grad.abs().sum()) == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_refused_by_name() -> None:
    case = make_case()
    with pytest.raises(InputError, match="backend cuda cannot be used here: no GPU"):
        unroll(case.state, case.rule, case.masks, backend="cuda")


def test_what_it_cannot_compute_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "not on a GPU" in str(obstacle(case.state, case.rule))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_recordings_on_a_gpu_compute_the_same() -> None:
    for seed in (0, 1):  # the second is a replay with other weights
        case = make_case(seed=seed)
        right, got = oracle(case), results(unroll, on_gpu(case))
        for key, value in right.items():
            assert largest_error(got[key].cpu(), value) < 1e-5, key
    assert len(_recordings) == 2
    first, second = on_gpu(make_case(seed=2)), on_gpu(make_case(seed=3))
    alone = results(unroll, first)
    state = first.state.clone().requires_grad_(True)
    last = unroll(state, first.rule, first.masks)
    results(unroll, second)  # between the forward and the backward of another
    last.backward(first.d_last)  # type: ignore[no-untyped-call]
    assert torch.equal(state.grad, alone["d_state"])


def test_auto_takes_it_where_the_state_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(Tensor):
        is_cuda = True

    case = make_case()
    monkeypatch.setattr("nca.unroll.cuda.obstacle", lambda *_: None)
    monkeypatch.setattr(
        "nca.unroll.UNROLLS",
        {"cuda": lambda state, rule, masks: state + 1, "native": None, "torch": None},
    )
    state = case.state.as_subclass(OnGpu)
    assert torch.equal(unroll(state, case.rule, case.masks), case.state + 1)


def test_a_rule_without_gradients_keeps_none() -> None:
    case = make_case()
    with torch.no_grad():
        last = unroll_cuda(case.state, case.rule, case.masks)
    assert last.grad_fn is None
