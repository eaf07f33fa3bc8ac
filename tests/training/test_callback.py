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


def test_a_callback_keeps_the_attributes_that_it_names() -> None:
    class Waiting(Callback):
        kept = ("best", "_waited")

        def __init__(self) -> None:
            self.best, self._waited = 0.0, 0

    before, after = Waiting(), Waiting()
    before.best, before._waited = 0.5, 3
    assert before.state_dict() == {"best": 0.5, "waited": 3}
    after.load_state_dict(before.state_dict())
    assert (after.best, after._waited) == (0.5, 3)
    with pytest.raises(KeyError, match="waited"):
        after.load_state_dict({"best": 0.5})
