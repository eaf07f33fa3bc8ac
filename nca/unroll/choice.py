"""Which backend computes an unroll, and why."""

import copy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from nca.errors import InputError
from nca.rule import Rule
from nca.unroll import cuda, native
from nca.unroll.compiler import CompileError, find_compiler
from nca.unroll.library import warn_once

Chosen = Literal["torch", "native", "cuda"]
Backend = Literal["auto", Chosen]


def choose_backend(backend: Backend, state: Tensor, rule: Rule) -> Chosen:
    """Choose for one call: ``cuda`` or ``native`` wherever it can, unless told otherwise.

    Raises:
        InputError: what was asked for cannot be had; the text says why.
    """
    if backend == "torch":
        return "torch"
    if backend not in ("auto", "native", "cuda"):
        raise InputError(f"backend must be auto, torch, native or cuda, not {backend!r}")
    wanted: Chosen = ("cuda" if state.is_cuda else "native") if backend == "auto" else backend
    reason = obstacle(wanted, state, rule)
    if reason is None:
        return wanted
    if backend != "auto":
        raise InputError(f"backend {backend} cannot be used here: {reason}; use torch")
    return "torch"


def obstacle(backend: Chosen, state: Tensor, rule: Rule) -> str | None:
    """Tell why a backend cannot compute this; None if it can. Compiles if need be."""
    if backend == "torch":
        return None
    if backend == "cuda":
        return cuda.obstacle(state, rule)
    reason = native.obstacle(state, rule)
    if reason is None:
        try:
            native.library_of(rule)
        except CompileError as error:
            reason = str(error)
            warn_once(f"{reason}; unrolls run in torch, several times slower")
    return reason


@dataclass(frozen=True)
class BackendReport:
    """What ``nca info`` tells of a backend."""

    name: str
    available: bool
    detail: str
    taken: bool = False


def describe_backends(rule: Rule) -> list[BackendReport]:
    """Report every backend for a rule, best first, and say which one is taken on the CPU."""
    state = rule.seed(1, 8, 8)
    taken = choose_backend("auto", state, rule)
    reports = [_describe_cuda(rule), _describe_native(rule, state)]
    reports.append(BackendReport("torch", True, "any device, any rule"))
    return [replace(report, taken=report.name == taken) for report in reports]


def _describe_cuda(rule: Rule) -> BackendReport:
    if not torch.cuda.is_available():
        return BackendReport("cuda", False, "no GPU that torch can use was found")
    with torch.device("cuda"):
        reason = obstacle("cuda", torch.zeros(1), copy.deepcopy(rule).to("cuda"))
    detail = f"{torch.cuda.get_device_name()}, where the state is on it"
    return BackendReport("cuda", reason is None, reason or detail)


def _describe_native(rule: Rule, state: Tensor) -> BackendReport:
    reason = obstacle("native", state, rule)
    if reason is not None:
        return BackendReport("native", False, reason)
    library = native.library_of(rule)
    bfloat16 = "float32 and bfloat16" if library.nca_has_bfloat16() else "float32"
    lanes, compiler = library.nca_lanes(), find_compiler()
    return BackendReport("native", True, f"CPU, {bfloat16}, {lanes} numbers at once, by {compiler}")
