"""The errors whose text is meant for the person at the keyboard: one line, no traceback."""

from nca.text import printable

DONE, FAILED, WRONG_USE, NO_GRAPHICS, INTERRUPTED = 0, 1, 2, 3, 130  # exit codes
TERMINATED = 128  # and the number of the signal


class InputError(ValueError):
    """A wrong option or an unusable input. Names the value and what would be right. Exit code 2."""


class FailedError(InputError):
    """What was asked for is right and could not be done, as on a full disk. Exit code 1.

    An input error too, as whatever survives those survives this.
    """


class GraphicsError(RuntimeError):
    """No OpenGL context that can run a rule. Says what to install. Exit code 3."""


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks, its kind where it has no text."""
    return printable(" ".join(str(error).split()), 2000) or type(error).__name__


def explain(error: Exception) -> str:
    """One line on any error; one that nobody foresaw is named by its kind too."""
    text, kind = one_line(error), type(error).__name__
    if isinstance(error, (InputError, GraphicsError, OSError)) or text == kind:
        return text
    return f"{kind}: {text}"


def exit_code(error: Exception) -> int:
    """The exit code of a command that an error has ended."""
    if isinstance(error, InputError) and not isinstance(error, FailedError):
        return WRONG_USE
    return NO_GRAPHICS if isinstance(error, GraphicsError) else FAILED
