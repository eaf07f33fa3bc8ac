"""Small commands: render, play, info and demo."""
