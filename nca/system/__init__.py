"""Files, terminals, signals and threads: what the operating system may do to a program."""
