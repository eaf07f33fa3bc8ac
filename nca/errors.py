"""Errors that are shown to the user as one line, without a traceback."""

from nca.system.text import printable

DONE, FAILED, WRONG_USE, NO_GRAPHICS, INTERRUPTED = 0, 1, 2, 3, 130  # exit codes
TERMINATED = 128  # plus the number of the signal


class InputError(ValueError):
    """A wrong option or input. The message names the value and what would be valid. Exit code 2."""


class FailedError(InputError):
    """A correct request that failed, for example because the disk is full. Exit code 1.

    A subclass of :class:`InputError`, so code that handles input errors handles this error too.
    """


class GraphicsError(RuntimeError):
    """No OpenGL context that can run a rule. The message says what to install. Exit code 3."""


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks, or its type if it has no text."""
    return printable(" ".join(str(error).split()), 2000) or type(error).__name__


def explain(error: Exception) -> str:
    """Describe any error in one line, with the type if the error is an unexpected one."""
    text, kind = one_line(error), type(error).__name__
    if isinstance(error, (InputError, GraphicsError, OSError)) or text == kind:
        return text
    return f"{kind}: {text}"


def exit_code(error: Exception) -> int:
    """The exit code of a command that ended with an error."""
    if isinstance(error, InputError) and not isinstance(error, FailedError):
        return WRONG_USE
    return NO_GRAPHICS if isinstance(error, GraphicsError) else FAILED
