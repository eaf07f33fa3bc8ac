"""The command line: settings in, one call, one result printed."""


def main() -> int:
    """Run one command and return its exit code."""
    raise NotImplementedError
