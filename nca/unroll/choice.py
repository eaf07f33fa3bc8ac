"""Which backend computes an unroll, and why."""

import logging
from dataclasses import dataclass
from functools import cache
from typing import Literal

from torch import Tensor

from nca.errors import InputError
from nca.rule import Rule, RuleSettings
from nca.unroll.compiler import CompileError, find_compiler
from nca.unroll.native import library_of, obstacle

Backend = Literal["auto", "torch", "native"]

_log = logging.getLogger(__name__)


def choose_backend(backend: Backend, state: Tensor, rule: Rule) -> Literal["torch", "native"]:
    """Choose for one call: ``native`` wherever it can compute the call, unless told otherwise.

    Raises:
        InputError: ``native`` was asked for and cannot be had; the text says why.
    """
    if backend == "torch":
        return "torch"
    if backend not in ("auto", "native"):
        raise InputError(f"backend must be auto, torch or native, not {backend!r}")
    reason = obstacle(state, rule)
    if reason is None:
        try:
            library_of(rule)
            return "native"
        except CompileError as error:
            reason = str(error)
            if backend == "auto":
                _tell_once(reason)
    if backend == "native":
        raise InputError(f"backend native cannot be used here: {reason}; use torch")
    return "torch"


@cache
def _tell_once(reason: str) -> None:
    _log.warning("%s; unrolls run in torch, several times slower. Install g++ or clang++", reason)


@dataclass(frozen=True)
class BackendReport:
    """What ``nca info`` tells of a backend."""

    name: str
    available: bool
    detail: str


def describe_backends() -> list[BackendReport]:
    """Report every backend, best first; compiles a rule of the usual size to be sure."""
    return [_describe_native(), BackendReport("torch", True, "any device, any rule")]


def _describe_native() -> BackendReport:
    try:
        library = library_of(Rule(RuleSettings()))
        compiler = find_compiler().path
    except CompileError as error:
        return BackendReport("native", False, f"{error}; install g++ or clang++")
    bfloat16 = "float32 and bfloat16" if library.nca_has_bfloat16() else "float32"
    detail = f"CPU, {bfloat16}, {library.nca_lanes()} cells or channels at once, by {compiler}"
    return BackendReport("native", True, detail)
