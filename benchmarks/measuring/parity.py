"""Check all results against float64 before anything is timed."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from nca.backends import Backend, unroll
from nca.backends.simulate import simulate
from nca.benchmarks.measuring.report import Parity
from nca.benchmarks.peers.lesson import LessonLoss, SimpleCA, lesson_overflow, make_vgg16
from nca.benchmarks.peers.ours import frozen_loss, precision, to_rule
from nca.benchmarks.peers.run import PeerWork
from nca.benchmarks.settings import SMALL
from nca.rng import CPU, random_masks

SIZE, BATCH, STEPS = (32, 2, 4) if SMALL else (64, 2, 16)
ERROR = "largest relative error"
COSINE = "1 - cosine similarity"
FLOAT32_LIMIT, BFLOAT16_LIMIT = 1e-5, 1e-3
# If two features are almost equal, max pooling may choose a different one in float32 than in
# float64.
ITERATION_LIMIT = 1e-3
# About one hidden value in a million is so close to the kink of the ReLU that the order of
# additions decides on which side it falls, which changes the gradient of a weight.
PEER_LIMIT = 1e-3

Gradients = list[Tensor]


def check_unroll(
    channels: int, hidden: int, backend: Backend, *, bfloat16: bool, device: torch.device = CPU
) -> Parity:
    """Compare an unroll's last state and weight gradients with those of the lesson in float64."""
    model = SimpleCA(channels, hidden)
    state = torch.rand(BATCH, channels, SIZE, SIZE) - 0.5
    masks = random_masks(STEPS, BATCH, SIZE, SIZE, 0.5, torch.Generator().manual_seed(0))
    upstream = torch.randn(state.shape)
    right = _lesson_gradients(model, state, masks, lambda last: (last * upstream.double()).sum())
    rule = to_rule(model).to(device)
    with precision(bfloat16, device):
        last = unroll(state.to(device), rule, masks.to(device), backend)
    last.backward(upstream.to(device))  # type: ignore[no-untyped-call]
    got = [last.detach().cpu(), *(p.grad.cpu() for p in rule.parameters() if p.grad is not None)]
    name = f"{backend} {'bfloat16' if bfloat16 else 'float32'} {channels}/{hidden}"
    return _compare(name, got, right, bfloat16, BFLOAT16_LIMIT if bfloat16 else FLOAT32_LIMIT)


def check_iteration(channels: int, hidden: int, backend: Backend, *, bfloat16: bool) -> Parity:
    """Compare the results of an iteration (unroll and loss) with those of the lesson in float64."""
    model, vgg = SimpleCA(channels, hidden), make_vgg16()
    state = torch.rand(BATCH, channels, SIZE, SIZE) - 0.5
    target = torch.rand(1, 3, SIZE, SIZE)
    masks = random_masks(STEPS, BATCH, SIZE, SIZE, 0.5, torch.Generator().manual_seed(0))
    exact_loss = LessonLoss(copy.deepcopy(vgg).double(), target.double())
    right = _lesson_gradients(
        model, state, masks, lambda last: exact_loss(last[:, :3] + 0.5) + lesson_overflow(last)
    )
    rule, loss = to_rule(model), frozen_loss(vgg, target)
    with precision(bfloat16):
        last = unroll(state, rule, masks, backend)
        total = loss(last[:, :3] + 0.5) + lesson_overflow(last)
    total.backward()  # type: ignore[no-untyped-call]
    got = [last.detach(), *(p.grad for p in rule.parameters() if p.grad is not None)]
    name = f"iteration {backend} {'bfloat16' if bfloat16 else 'float32'}"
    return _compare(name, got, right, bfloat16, ITERATION_LIMIT)


def check_simulation(channels: int, hidden: int, backend: Backend) -> Parity:
    """Compare the state after 100 steps of a simulation with the rule's steps in float64."""
    rule = to_rule(SimpleCA(channels, hidden))
    state = torch.rand(1, channels, SIZE, SIZE) - 0.5
    (got,) = simulate(rule, state, [100], backend=backend)
    with torch.no_grad():
        right = copy.deepcopy(rule).double()(state.double(), 100)
    return _compare(f"simulation {backend}", [got], [right], False, FLOAT32_LIMIT)


def check_peer(name: str, channels: int, hidden: int) -> Parity:
    """Compare another library's unroll in float32 with that of the lesson in float64.

    The last states and the weight gradients are compared.

    Raises:
        PeerError: the peer cannot be run.
    """
    # CAX draws its own masks; if every cell fires, the random numbers do not matter.
    work = PeerWork(channels, hidden, size=SIZE, every_cell=name == "cax")
    last, _, *gradients = work.run(name).results
    right = _lesson_gradients(
        work.model, work.state, work.masks, lambda last: (last * work.upstream.double()).sum()
    )
    return _compare(f"{name} float32", [last, *gradients], right, False, PEER_LIMIT)


def _lesson_gradients(
    model: SimpleCA, state: Tensor, masks: Tensor, loss: Callable[[Tensor], Tensor]
) -> Gradients:
    model = copy.deepcopy(model).double()
    last = state.double()
    for mask in masks:
        last = model(last, mask[:, None])
    loss(last).backward()  # type: ignore[no-untyped-call]
    w1, b1, w2 = model.w1.weight.grad, model.w1.bias, model.w2.weight.grad
    assert w1 is not None
    assert b1 is not None
    assert b1.grad is not None
    assert w2 is not None
    return [last.detach(), w1[:, :, 0, 0], b1.grad, w2[:, :, 0, 0]]


def _compare(name: str, got: Gradients, right: Gradients, bfloat16: bool, limit: float) -> Parity:
    pairs = [(g.double().flatten(), r.flatten()) for g, r in zip(got, right, strict=True)]
    if bfloat16:
        value = max(1 - float(torch.cosine_similarity(g, r, dim=0)) for g, r in pairs)
    else:
        value = max(float((g - r).abs().max() / r.abs().max()) for g, r in pairs)
    return Parity(name, COSINE if bfloat16 else ERROR, value, limit, value <= limit)
