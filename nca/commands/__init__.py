"""The smaller commands, such as render, play, info and demo, and the parsing of all commands."""
