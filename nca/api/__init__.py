"""The functions of ``import nca``; each one is a verb.

A picture can be a path, a Pillow image, a NumPy array [H, W, 3] or a tensor [3, H, W]; a path can
be a ``str`` or a ``Path``. Functions write files only if they get a path for them.
"""
