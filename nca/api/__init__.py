"""The functions of ``import nca``; the name of each is a verb.

A picture can be a path, a Pillow image, a NumPy array [H, W, 3] or a tensor [3, H, W]; a path can
be a ``str`` or a ``Path``. A function writes files only if it is given a path.
"""
