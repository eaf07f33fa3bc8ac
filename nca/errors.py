"""The errors whose text is meant for the person at the keyboard: one line, no traceback."""


class InputError(ValueError):
    """A wrong option or an unusable input. Names the value and what would be right. Exit code 2."""


class WriteError(InputError):
    """A file that could not be written, such as on a full disk. Exit code 1."""


class GraphicsError(RuntimeError):
    """No OpenGL context that can run a rule. Says what to install. Exit code 3."""
