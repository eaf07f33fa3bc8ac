import pytest

from nca.training.callback import EVENTS, Callback


def test_there_are_thirteen_events() -> None:
    assert len(EVENTS) == 13
    assert {"before_fit", "after_epoch", "cleanup_batch", "after_predict", "after_step"} <= EVENTS


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("before_bach", "before_batch"),
        ("after_predicts", "after_predict"),
        ("cleanup_fits", "cleanup_fit"),
        ("after_los", "after_loss"),
        ("befor_epoch", "before_epoch"),  # not even the first word is right
        ("afterstep", "after_step"),
    ],
)
def test_an_event_that_there_is_not_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(TypeError, match=rf"Mine\.{name} is not an event; did you mean {near}\?"):
        type("Mine", (Callback,), {name: lambda self, learner: None})


def test_a_wrong_event_of_a_mixin_is_refused_too() -> None:
    class Mixin:
        def after_bakward(self, learner: object) -> None: ...

    with pytest.raises(TypeError, match="did you mean after_backward"):

        class _Mine(Mixin, Callback):
            pass


def test_other_methods_are_free() -> None:
    class Mine(Callback):
        def write_batch(self) -> None: ...
        def step(self) -> None: ...
        def fit_line(self) -> None: ...

    assert EVENTS.isdisjoint(dir(Mine()))
