"""Files, terminals, signals and threads: the interface to the operating system."""
