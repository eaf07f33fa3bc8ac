"""The notebooks of the lesson: what is stored in them, and that they run."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = (
    "1-style-transfer",
    "2-texture-automaton",
    "3-diffusion",
    "4-your-own",
    "5-restore-pictures",
)
LARGEST = 600_000  # bytes of a notebook
# Paths of a machine, and what a bar writes of time: other ones in every run.
PATH = re.compile(r"(?<![\w.:/])/(home|root|tmp|work|usr|Users|var|opt|mnt)/|[A-Z]:\\")
# Lengths of trainings, of what is recorded of them, and of diffusion.
LENGTH = re.compile(
    r"(\b(?:iterations|steps|every)=|\btrain\(|\bLearner\(model, range\(|\bT = "
    r'|"(?:ddpm|ddim|dpmpp)", )(\d{2,})'
)
TIME = re.compile(r"\d\d:\d\d<|\d/s\b|\bit/s|s/it\b|\d+ left,|Wall time|CPU times")


def read(name: str) -> NotebookNode:
    """A notebook by name."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    """What stands below all cells."""
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def texts(notebook: NotebookNode) -> list[str]:
    """All text of the outputs, but for that of pages and pictures."""
    plain = [output.get("data", {}).get("text/plain", "") for output in outputs(notebook)]
    return [*plain, *(output.get("text", "") for output in outputs(notebook))]


def test_every_notebook_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_stored_and_small(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    pictures = [
        output
        for output in outputs(notebook)
        if {"image/png", "image/jpeg"} & set(output.get("data", {}))
    ]
    assert len(pictures) >= 5
    assert (FOLDER / f"{name}.ipynb").stat().st_size < LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_all_cells_were_run_once_from_first_to_last(name: str) -> None:
    counts = [cell.execution_count for cell in code_cells(read(name))]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stored_is_of_a_machine_a_time_or_an_error(name: str) -> None:
    notebook = read(name)
    assert [o.output_type for o in outputs(notebook) if o.output_type == "error"] == []
    assert [o.text for o in outputs(notebook) if o.get("name") == "stderr"] == []
    assert [text for text in texts(notebook) if PATH.search(text) or TIME.search(text)] == []
    sources = "\n".join(cell.source for cell in notebook.cells)
    assert PATH.search(sources) is None
    assert [cell.metadata for cell in notebook.cells if cell.metadata] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_with_a_fiftieth_of_the_iterations(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MPLBACKEND", raising=False)  # with agg, no figure appears below a cell
    notebook = read(name)
    stored = [[output.output_type for output in cell.outputs] for cell in code_cells(notebook)]
    assert any(stored)
    for cell in code_cells(notebook):
        cell.source = LENGTH.sub(lambda n: f"{n[1]}{max(2, int(n[2]) // 50)}", cell.source)
    # A kernel that dies or a cell that raises is an error here.
    NotebookClient(
        notebook,
        timeout=1200,  # seconds of one cell; other work may run beside the tests
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    assert [o.ename for o in outputs(notebook) if o.output_type == "error"] == []
    for cell, before in zip(code_cells(notebook), stored, strict=True):
        assert bool(cell.outputs) >= bool(before)
