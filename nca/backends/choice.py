"""Choose the backend for an unroll."""

import copy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from nca.backends import native
from nca.backends.compiler import CompileError, find_compiler
from nca.backends.library import warn_once
from nca.errors import InputError
from nca.rule import Rule

Chosen = Literal["torch", "native", "triton"]
Backend = Literal["auto", Chosen]


def choose_backend(backend: Backend, state: Tensor, rule: Rule) -> Chosen:
    """Choose the backend for a call; ``auto`` prefers ``triton`` or ``native`` to ``torch``.

    Raises:
        InputError: the requested backend does not support this call; the message gives the reason.
    """
    if backend == "torch":
        return "torch"
    if backend not in ("auto", "native", "triton"):
        raise InputError(f"backend must be auto, torch, native or triton, not {backend!r}")
    wanted: Chosen = ("triton" if state.is_cuda else "native") if backend == "auto" else backend
    reason = unsupported_reason(wanted, state, rule)
    if reason is None:
        return wanted
    if backend != "auto":
        raise InputError(f"backend {backend} cannot be used here: {reason}; use torch")
    return "torch"


def unsupported_reason(backend: Chosen, state: Tensor, rule: Rule) -> str | None:
    """Return why a backend cannot compute an unroll, or None; compile the library if necessary."""
    if backend == "torch":
        return None
    if backend == "triton":
        return _triton_unsupported_reason(state, rule)
    reason = native.unsupported_reason(state, rule)
    if reason is None:
        try:
            native.library_of(rule)
        except CompileError as error:
            reason = str(error)
            warn_once(f"{reason}; unrolls run in torch, several times slower")
    return reason


@dataclass(frozen=True)
class BackendReport:
    """What ``nca info`` prints about a backend; ``taken`` means that it is the CPU's default."""

    name: str
    available: bool
    detail: str
    taken: bool = False


def describe_backends(rule: Rule) -> list[BackendReport]:
    """Report on every backend for a rule, best first."""
    state = rule.initial_state(1, 8, 8)
    taken = choose_backend("auto", state, rule)
    reports = [_describe_triton(rule), _describe_native(rule, state)]
    reports.append(BackendReport("torch", True, "any device, any rule"))
    return [replace(report, taken=report.name == taken) for report in reports]


def _triton_unsupported_reason(state: Tensor, rule: Rule) -> str | None:
    try:
        from nca.backends import triton_backend  # noqa: PLC0415  (optional)
    except ImportError:
        return "triton is not installed"
    return triton_backend.unsupported_reason(state, rule)


def _describe_triton(rule: Rule) -> BackendReport:
    if not torch.cuda.is_available():
        return BackendReport("triton", False, "torch found no GPU")
    reason = unsupported_reason(
        "triton", rule.initial_state(1, 8, 8).cuda(), copy.deepcopy(rule).cuda()
    )
    detail = f"{torch.cuda.get_device_name()}, for states that are on it"
    return BackendReport("triton", reason is None, reason or detail)


def _describe_native(rule: Rule, state: Tensor) -> BackendReport:
    reason = unsupported_reason("native", state, rule)
    if reason is not None:
        return BackendReport("native", False, reason)
    library = native.library_of(rule)
    bfloat16 = "float32 and bfloat16" if library.nca_has_bfloat16() else "float32"
    lanes, compiler = library.nca_lanes(), find_compiler()
    return BackendReport(
        "native", True, f"CPU, {bfloat16}, {lanes} floats at once, compiled by {compiler}"
    )
