"""What ``import nca`` offers, one verb a function.

Pictures are given as paths, Pillow images, NumPy arrays [H, W, 3] or tensors [3, H, W]; paths as
``str`` or ``Path``. Nothing is written unless a path says where.
"""
