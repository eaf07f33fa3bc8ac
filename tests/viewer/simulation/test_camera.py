"""The camera."""

import pytest

from nca.viewer.simulation.camera import MAX_ZOOM, MIN_ZOOM, Camera


def test_a_torus_covers_the_picture_and_a_grid_that_ends_is_seen_whole():
    camera = Camera()
    camera.fit((100, 50), (200, 200), wraps=True)
    assert (camera.zoom, camera.x, camera.y) == (4, 25, 0)
    camera.fit((100, 50), (200, 200), wraps=False)
    assert (camera.zoom, camera.x, camera.y) == (2, 0, -25)
    assert camera.fitted


def test_zooming_keeps_the_place_under_the_pointer():
    camera = Camera(3, 4, 2)
    before = camera.cell_at(50, 70)
    camera.zoom_at(50, 70, 1.7)
    assert camera.cell_at(50, 70) == pytest.approx(before)
    assert camera.zoom == pytest.approx(3.4)
    assert not camera.fitted
    for factor, limit in ((1e6, MAX_ZOOM), (1e-9, MIN_ZOOM)):
        camera.zoom_at(50, 70, factor)
        assert camera.zoom == limit
        assert camera.cell_at(50, 70) == pytest.approx(before)


def test_panning_moves_what_is_seen_with_the_pointer():
    camera = Camera(10, 10, 4)
    cell = camera.cell_at(100, 100)
    camera.pan(30, -20)
    assert camera.cell_at(130, 80) == pytest.approx(cell)


def test_another_size_keeps_the_middle_or_fits_again():
    camera = Camera()
    camera.fit((64, 64), (256, 256), wraps=True)
    camera.resize((64, 64), (256, 256), (512, 128), wraps=True)
    assert camera.zoom == 8
    camera.zoom_at(10, 10, 2)
    middle = camera.cell_at(256, 64)
    camera.resize((64, 64), (512, 128), (300, 300), wraps=True)
    assert camera.cell_at(150, 150) == pytest.approx(middle)


def test_tiles():
    camera = Camera()
    camera.show_tiles((64, 64), (384, 384), 3)
    assert camera.zoom == 2
    assert camera.cell_at(0, 0) == (-64, -64)
