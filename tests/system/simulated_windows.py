"""Run by test_portability.py: Python without what Windows lacks; imports all modules, trains."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

# Not ours: they have Windows code of their own, which cannot run here.
PACKAGES = (
    "glfw", "imageio_ffmpeg", "imgui_bundle", "jinja2", "matplotlib.axes", "moderngl",
    "multiprocessing", "platformdirs", "PIL.Image", "playwright.sync_api", "torch", "tqdm", "tyro",
)  # fmt: skip
MODULES = ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty")
FUNCTIONS = (
    "chown", "fchmod", "fchown", "fork", "forkpty", "geteuid", "getgid", "getgroups", "getloadavg",
    "getpgid", "getuid", "killpg", "lchown", "mkfifo", "nice", "pathconf", "sched_getaffinity",
    "sched_setaffinity", "setsid", "setuid", "statvfs", "sysconf", "uname", "wait3", "wait4",
)  # fmt: skip
SIGNALS = ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGQUIT")
SIGNAL_FUNCTIONS = (
    "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt", "sigpending",
    "sigwait", "sigtimedwait",
)  # fmt: skip
FLAGS = ("O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY")


def remove(folder: Path) -> None:
    """Remove what only POSIX has; other packages have been imported before."""
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in ((os, FUNCTIONS + FLAGS), (signal, SIGNALS + SIGNAL_FUNCTIONS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.platform = "win32"
    subprocess.CREATE_NEW_PROCESS_GROUP = 512  # type: ignore[attr-defined]
    os.environ["LOCALAPPDATA"] = str(folder)
    replace = Path.replace
    busy = iter([True, True, False])

    def busy_at_first(path: Path, target: Path) -> Path:
        if next(busy, False):
            raise PermissionError(13, "Access is denied")
        return replace(path, target)

    Path.replace = busy_at_first  # type: ignore[method-assign]


def main(folder: Path, names: list[str]) -> int:
    """Import every module of ours, and train; the exit code of the training."""
    for name in PACKAGES:
        importlib.import_module(name)
    remove(folder)
    for name in names:
        importlib.import_module(name)
    from nca.cli import main as nca  # noqa: PLC0415
    from nca.pictures import picture_path  # noqa: PLC0415

    return nca(
        ["train", str(picture_path("scales")), "--out", str(folder / "out"), "--iterations", "2",
         "--preset", "tiny", "--size", "32", "--grid", "16", "--late-grid", "16", "--steps", "2",
         "3", "--pool-size", "8", "--backend", "torch", "--features", "random", "--quiet"]
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
