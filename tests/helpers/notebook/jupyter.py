"""JupyterLab for tests: a server, and a notebook that is open in a browser."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import jupyterlab
import nbformat
from playwright.sync_api import Frame, Locator, Page

from tests.helpers.waiting import wait_for

ROOT = Path(__file__).parents[3]
PREFIX = Path(jupyterlab.__file__).parents[4]  # its files may be in a different environment
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@contextmanager
def jupyter_lab(folder: Path) -> Iterator[str]:
    """Serve the notebooks in a folder; yields the address of the server."""
    own = folder / ".jupyter"
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = {
        **os.environ,
        **{f"JUPYTER_{name}": str(own / name.lower()) for name in names},
        "JUPYTER_PATH": str(PREFIX / "share" / "jupyter"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
        "PYTHONPATH": str(ROOT),
    }
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
        f"--app-dir={PREFIX / 'share' / 'jupyter' / 'lab'}", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(lambda: _answers(f"{address}/api"), "JupyterLab")
            yield address
        finally:
            server.terminate()  # the server ends its kernels
            server.wait()


def free_port() -> int:
    """Find a port that is not in use."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        with urlopen(address) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook of code cells without outputs."""
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    notebook.metadata["kernelspec"] = KERNEL
    nbformat.write(notebook, path)


class Notebook:
    """A notebook in JupyterLab.

    Args:
        page: a new browser page.
        address: address of the server.
        name: name of the notebook file.
    """

    def __init__(self, page: Page, address: str, name: str) -> None:
        self.page = page
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.get_by_text("| Idle").wait_for()  # the kernel, in the status bar

    def cell(self, number: int) -> Locator:
        """A cell; the first one is number 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def run(self, number: int) -> None:
        """Run a cell and wait until it is done."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        prompt = self.cell(number).locator(".jp-InputPrompt")
        wait_for(lambda: prompt.inner_text().strip("[]: ").isdecimal(), f"cell {number}")

    def outputs(self, number: int) -> list[Locator]:
        """The output below a cell."""
        return self.cell(number).locator(".jp-OutputArea-output").all()

    def frame(self, number: int) -> Frame:
        """The frame below a cell."""
        element = self.cell(number).locator("iframe").element_handle()
        frame = element.content_frame()
        assert frame is not None
        return frame
