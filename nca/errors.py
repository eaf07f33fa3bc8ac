"""Errors whose text is shown to the user: one line, without a traceback."""

from nca.text import printable

DONE, FAILED, WRONG_USE, NO_GRAPHICS, INTERRUPTED = 0, 1, 2, 3, 130  # exit codes
TERMINATED = 128  # plus the number of the signal


class InputError(ValueError):
    """A wrong option or an unusable input. Names the value and a valid one. Exit code 2."""


class FailedError(InputError):
    """A correct request that failed, as on a full disk. Exit code 1.

    It is an input error too, so that code that handles those handles this.
    """


class GraphicsError(RuntimeError):
    """There is no OpenGL context that can run a rule. Says what to install. Exit code 3."""


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks, or its type if it has no text."""
    return printable(" ".join(str(error).split()), 2000) or type(error).__name__


def explain(error: Exception) -> str:
    """Describe any error in one line; unexpected ones with their type."""
    text, kind = one_line(error), type(error).__name__
    if isinstance(error, (InputError, GraphicsError, OSError)) or text == kind:
        return text
    return f"{kind}: {text}"


def exit_code(error: Exception) -> int:
    """The exit code of a command that ended with an error."""
    if isinstance(error, InputError) and not isinstance(error, FailedError):
        return WRONG_USE
    return NO_GRAPHICS if isinstance(error, GraphicsError) else FAILED
