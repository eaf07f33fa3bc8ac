import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nca.backends import native, unroll
from nca.backends.native import Workspace, unroll_native
from nca.rule import Rule
from tests.backends.unroll_oracle import Case, cosine, make_case, oracle, results


def bfloat16(case: Case) -> dict[str, torch.Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        return results(unroll_native, case)


@pytest.mark.parametrize("channels", [8, 12, 13, 17])
def test_bfloat16_gradients_point_where_float64_ones_do(channels: int) -> None:
    case = make_case(channels, hidden=97, size=(32, 32), steps=24)
    got, right = bfloat16(case), oracle(case)
    for key, value in right.items():
        assert cosine(got[key], value) > 0.999, key
    assert got["last"].dtype == torch.float32


def test_autocast_is_what_chooses_bfloat16() -> None:
    case = make_case()
    exact = results(unroll_native, case)
    library = native.library_of(case.rule)
    same = torch.equal(bfloat16(case)["last"], exact["last"])
    assert same != bool(library.nca_has_bfloat16())


@pytest.mark.parametrize("hidden", [8, 40])
def test_the_bits_do_not_depend_on_threads(hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(hidden=hidden, batch=5, size=(20, 20))
    runs = []
    for threads in (1, 2, 3, 8):
        monkeypatch.setattr(native, "_thread_count", lambda *_, n=threads: n)
        runs.append(results(unroll_native, case))
    for run in runs[1:]:
        for key, value in runs[0].items():
            assert torch.equal(run[key], value), key


def test_two_graphs_at_once_do_not_share_states() -> None:
    first, second = make_case(seed=1), make_case(seed=2)
    alone = results(unroll_native, first)
    state = first.state.clone().requires_grad_(True)
    last = unroll_native(state, first.rule, first.masks)
    results(unroll_native, second)
    unroll_native(second.state, second.rule, second.masks)
    last.backward(first.d_last)  # type: ignore[no-untyped-call]
    assert torch.equal(state.grad, alone["d_state"])


def test_a_retained_graph_gives_the_same_gradient_again() -> None:
    case = make_case()
    state = case.state.clone().requires_grad_(True)
    last = unroll_native(state, case.rule, case.masks)
    (first,) = torch.autograd.grad(last, state, case.d_last, retain_graph=True)
    results(unroll_native, make_case(seed=3))  # would overwrite the states
    (again,) = torch.autograd.grad(last, state, case.d_last)
    assert torch.equal(first, again)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(last, state, case.d_last)


def test_weights_changed_between_forward_and_backward_are_noticed() -> None:
    case = make_case()
    last = unroll_native(case.state, case.rule, case.masks)
    with torch.no_grad():
        case.rule.w1.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        last.sum().backward()  # type: ignore[no-untyped-call]


def test_what_diverged_stays_visible() -> None:
    case = make_case(padding="zeros")
    for hidden in (8, 96):
        case = make_case(hidden=hidden, rate=1.0)
        case.state[0, 2, 5, 5] = torch.nan
        last = unroll_native(case.state, case.rule, case.masks)
        assert last[0].isnan().any(dim=0).sum() > 9  # it spreads as it does in torch
        right = unroll(case.state, case.rule, case.masks, backend="torch")
        assert torch.equal(last.isnan(), right.isnan())


def test_without_gradients_no_states_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    class Spy(Workspace):
        def take(self, floats: int) -> torch.Tensor:
            taken.append(floats)
            return super().take(floats)

    monkeypatch.setattr(native, "_workspace", Spy())
    case = make_case(steps=8)
    with_graph = unroll_native(case.state, case.rule, case.masks)
    with torch.no_grad():
        without = unroll_native(case.state, case.rule, case.masks)
    assert torch.equal(with_graph, without)
    assert taken[0] / taken[1] == 9 / 2


def test_the_workspace_is_reused() -> None:
    workspace = Workspace()
    first = workspace.take(100)
    workspace.give_back(first)
    assert workspace.take(50) is first
    assert workspace.take(50) is not first


def test_weights_of_wrong_shape_never_reach_the_kernel() -> None:
    case = make_case()
    for name in ("w1", "b1", "w2"):
        rule = copy.deepcopy(case.rule)
        setattr(rule, name, torch.nn.Parameter(getattr(rule, name)[:-1]))
        with pytest.raises(ValueError, match=f"{name} must have shape"):
            unroll_native(case.state, rule, case.masks)
    with pytest.raises(ValueError, match="masks must have shape"):
        unroll_native(case.state, case.rule, case.masks[:, :1])
    with pytest.raises(ValueError, match=r"masks must be torch\.bool"):
        unroll_native(case.state, case.rule, case.masks.to(torch.uint8))


@pytest.mark.slow
def test_address_sanitizer_finds_nothing(tmp_path: Path) -> None:
    """Sizes that do not fill vectors and blocks, with every access checked."""
    finder = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    sanitizer = finder.stdout.strip()
    assert Path(sanitizer).is_absolute(), "g++ has no AddressSanitizer library"
    script = Path(__file__).parent / "sanitized_unroll.py"
    command = [sys.executable, str(script)]
    environment = {
        "LD_PRELOAD": sanitizer,
        "ASAN_OPTIONS": "detect_leaks=0,verify_asan_link_order=0",
        "XDG_CACHE_HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
    }
    good = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert good.returncode == 0, good.stderr[-3000:]
    assert good.stdout.count("ok") == 5
    bad = subprocess.run(
        [*command, "overrun"], check=False, env=environment, capture_output=True, text=True
    )
    assert bad.returncode != 0
    assert "heap-buffer-overflow" in bad.stderr


def test_rules_of_equal_size_share_a_library() -> None:
    first, second = make_case(seed=1).rule, make_case(seed=2).rule
    assert native.library_of(first) is native.library_of(second)
    other = Rule(first.settings, first.filters * 2)
    assert native.library_of(other) is not native.library_of(first)
