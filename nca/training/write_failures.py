"""Files that could not be written: a warning for each during training, an error at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nca.errors import FailedError, InputError
from nca.system.console import say


class WriteFailures:
    """Records which files could not be written.

    Attributes:
        reasons: error messages by file; an entry is removed when the file is written after all.
    """

    def __init__(self) -> None:
        self.reasons: dict[Path, str] = {}

    @contextmanager
    def warn_on_failure(self, path: Path) -> Iterator[None]:
        """Run a block that writes a file; if it fails, warn once and continue.

        A later attempt to write the file may succeed.
        """
        try:
            yield
        except InputError as error:
            self._note(path, str(error))
        except OSError as error:
            self._note(path, f"cannot write {path}: {error.strerror or error}")
        else:
            self.reasons.pop(path, None)

    def _note(self, path: Path, reason: str) -> None:
        if self.reasons.get(path) != reason:
            say(f"warning: {reason}; continuing")
        self.reasons[path] = reason

    def check(self) -> None:
        """Raise an error if the last attempt to write any file failed.

        Raises:
            FailedError: a file was not written; the message names every such file.
        """
        if self.reasons:
            names = ", ".join(path.name for path in self.reasons)
            raise FailedError(f"not written: {names} ({next(iter(self.reasons.values()))})")
