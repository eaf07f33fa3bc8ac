"""The errors whose text is meant for the person at the keyboard: one line, no traceback."""


class InputError(ValueError):
    """A wrong option or an unusable input. Names the value and what would be right. Exit code 2."""


class GraphicsError(RuntimeError):
    """No OpenGL context that can run a rule. Says what to install. Exit code 3."""


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks, its kind where it has no text."""
    return " ".join(str(error).split()) or type(error).__name__
