"""Rules that hold all maps of a material."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.cli import main
from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.images import read_texture
from nca.images.material import estimate_maps, read_material
from nca.maps import map_channels
from nca.pictures import material_path
from nca.rulefile import load_rule
from nca.texture.picture_loss import picture_loss
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.tasks import task_of
from nca.texture.tasks.material import Material, with_maps
from nca.texture.train import train
from nca.training.engines import Engine
from tests.helpers.picture_makers import write_domes

MAPS = ("color", "normal", "height", "roughness")
SMALL: dict[str, Any] = {
    "size": 32, "grid": 16, "late_grid": 24, "steps": (3, 6), "late_steps": (4, 8), "hidden": 8,
    "pool_size": 8, "iterations": 4, "quiet": True,
}  # fmt: skip


def settings_of(picture: Path, out: Path | None = None, **values: Any) -> TrainSettings:
    return with_maps(train_settings(picture, out, "material", **(SMALL | values)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_domes(tmp_path_factory.mktemp("material") / "domes")


def task(settings: TrainSettings) -> Material:
    assert task_of(settings.task) is Material
    generator = torch.Generator().manual_seed(0)
    return Material(settings, Material.read(settings), generator, Engine())


def state_of(task: Material, target: Tensor) -> Tensor:
    """A state that shows these maps, [N, S, S]."""
    state = torch.zeros(1, task.rule.settings.channels, *target.shape[1:])
    state[0, : len(target)] = target - 0.5
    return state


def total(task: Material, target: Tensor) -> float:
    return float(task.score(task.rule, state_of(task, target), torch.zeros(1)))


def test_a_folder_of_maps_is_a_material(folder: Path) -> None:
    settings = settings_of(folder)
    assert settings.task.maps == MAPS
    assert with_maps(settings) == settings
    made = task(settings)
    assert made.rule.settings.maps == MAPS
    assert torch.equal(made.target, read_material(folder, 32).values)
    assert len(made.targets()) == 4


def test_a_bundled_material_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of(Path("scales"))
    assert settings.picture == material_path("scales")
    assert settings.task.maps == ("color", "normal", "height", "roughness", "occlusion")
    write_domes(tmp_path / "scales")
    assert settings_of(Path("scales")).task.maps == MAPS  # the user's own folder


def test_some_maps_can_be_chosen_in_any_order(folder: Path) -> None:
    settings = settings_of(folder, maps=("roughness", "normal"))
    assert settings.task.maps == ("color", "normal", "roughness")
    whole = read_material(folder, 32)
    at = map_channels(whole.maps)
    right = torch.cat([whole.values[at[name]] for name in settings.task.maps])
    assert torch.equal(Material.read(settings), right)


def test_maps_are_estimated_from_a_photograph(folder: Path) -> None:
    photo = folder / "domes_color.png"
    settings = settings_of(photo, maps=("height", "normal"))
    assert settings.task.maps == ("color", "normal", "height")
    right = estimate_maps(read_texture(photo, 32), ("normal", "height")).values
    assert torch.equal(Material.read(settings), right)


def test_folders_of_photographs_and_pictures_are_left_alone(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    for picture in (tmp_path, folder / "domes_color.png", tmp_path / "none.png"):
        assert settings_of(picture).task.maps == ()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--grow"], "--grow: {} is a material; give an image"),
        (["--maps", "metalness"],
         "--maps metalness: {} has only color, normal, height, roughness"),
        (["--preset", "small"],
         "--channels 8: must be more than 8, the channels of color, normal, height, roughness; "
         "use --preset material"),
        (["--decoder", "2", "--size", "128"],
         ": has 64x64 pixels, too few for --size 128 with a --decoder"),
        (["--also", "b.png"], "--also: {} is a material; give an image"),
        (["--features", "vgg16"],
         "--features vgg16: has only color inputs; for the maps of a material, use builtin, "
         "random, patches"),
        (["--map-weights", "metalness", "2"],
         "--map-weights metalness: must be one of color, normal, height, roughness"),
        (["--map-weights", "normal", "-1"], "--map-weights -1.0: must be 0 or more"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str],
    complaint: str,
) -> None:  # fmt: skip
    preset = [] if "--preset" in words else ["--preset", "material"]
    command = ["train", str(folder), "--out", str(tmp_path / "run"), *preset, *words]
    assert main([*command, "--iterations", "1"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert complaint.format(folder) in error
    assert not (tmp_path / "run").exists()


def test_maps_of_a_photograph_and_another_task_exclude_each_other(folder: Path) -> None:
    with pytest.raises(InputError, match="`restore` and `maps` exclude each other"):
        settings_of(folder / "domes_color.png", maps=("height",), restore=True)


@pytest.mark.parametrize("terms", [{}, {"patches": 1.0}])
def test_the_loss_sees_whether_maps_are_aligned(folder: Path, terms: dict[str, float]) -> None:
    """Each map of the shifted material is unchanged by itself; only its place differs."""
    made = task(settings_of(folder, terms=terms))
    shifted = made.target.clone()
    shifted[6] = shifted[6].roll((3, 5), (0, 1))
    assert total(made, shifted) > 2 * total(made, made.target)


def test_the_length_of_normals_does_not_count(folder: Path) -> None:
    made = task(settings_of(folder))
    longer = made.target.clone()
    longer[3:6] = (longer[3:6] - 0.5) * 1.5 + 0.5
    assert total(made, longer) == pytest.approx(total(made, made.target), rel=0.01)


def test_weights_scale_the_contrast_of_maps(folder: Path) -> None:
    """A map of weight 0 has no influence; a smaller weight makes an error count less."""
    wrong = task(settings_of(folder)).target.clone()
    wrong[6] = 0.2
    totals, gradients = [], []
    for weight in (0.0, 0.3, 1.0):
        made = task(settings_of(folder, map_weights={"height": weight}))
        state = state_of(made, wrong).requires_grad_()
        loss = torch.stack(list(made.compare(made.rule, state, torch.zeros(1)).values())).sum()
        gradients.append(torch.autograd.grad(loss, state)[0])
        totals.append(total(made, wrong) - total(made, made.target))
    assert not gradients[0][:, 6].any()
    assert gradients[0][:, :6].any()
    assert totals[0] == 0 < totals[1] < totals[2]


def test_the_first_gradient_is_not_that_of_the_normals_alone(folder: Path) -> None:
    """All cells start from zeros, where the direction of a normal is not defined."""
    made = task(settings_of(folder))
    state = torch.zeros(1, 16, 24, 24).requires_grad_()
    loss = torch.stack(list(made.compare(made.rule, state, torch.zeros(1)).values())).sum()
    (gradient,) = torch.autograd.grad(loss, state)
    assert gradient[:, 3:6].norm() < 20 * gradient[:, :3].norm()


def test_a_color_alone_is_compared_as_before(folder: Path) -> None:
    settings = settings_of(folder / "domes_color.png")
    with_color = settings.override(maps=("color",))
    target = read_texture(folder / "domes_color.png", 32)
    values = []
    for one in (settings, with_color):
        made = task_of(one.task)(one, target, torch.Generator().manual_seed(0), Engine())
        state = torch.rand(2, 16, 24, 24, generator=torch.Generator().manual_seed(1)) - 0.5
        loss = picture_loss(one, target, torch.Generator().manual_seed(2))
        values.append(torch.stack(list(loss(made.rule, state).values())))
    assert torch.equal(*values)


def test_training(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    values = SMALL | {"iterations": 2, "late_grid": 16, "aging_rate": 0.0, "terms": {}}
    train(train_settings(folder, out, "material", **values))
    rule = load_rule(out / "rule.safetensors")
    assert rule.rule.settings.maps == MAPS
    assert rule.training["settings"]["maps"] == list(MAPS)
    with Image.open(out / "preview.png") as preview:
        assert preview.size == (4 * 336 + 16, 4 * 366 + 16)
    kept = settings_of(folder, from_rule=out / "rule.safetensors", maps=("normal",))
    assert task(kept).rule.settings.maps == ("color", "normal")


def test_a_decoder_learns_all_maps(folder: Path, tmp_path: Path) -> None:
    """The loss sees a crop and the layout of every map, and normals are on the sphere."""
    fine = write_domes(tmp_path / "fine", 64)
    settings = settings_of(fine, decoder=2, size=64)
    made = task(settings)
    assert made.rule.settings.decoder == DecoderSettings(2)
    assert made.rule.decoder.outputs == 8
    state = torch.rand(1, 16, 24, 24).requires_grad_()
    terms = made.compare(made.rule, state, torch.zeros(1))
    assert {name.partition("/")[0] for name in terms} >= {"texture", "layout"}
    torch.stack(list(terms.values())).sum().backward()
    weights = made.rule.decoder.w2.grad
    assert (weights.abs().sum(1) > 0).all()
    assert weights[3:6].norm() < 20 * weights[:3].norm()  # short normals do not dominate
    without = task(settings.override(map_weights={"height": 0.0}))
    torch.stack(
        list(without.compare(without.rule, state, torch.zeros(1)).values())
    ).sum().backward()
    unseen = without.rule.decoder.w2.grad
    assert not unseen[6].any()
    assert unseen[:6].any()


def test_training_with_a_decoder(tmp_path: Path) -> None:
    fine, out = write_domes(tmp_path / "fine", 64), tmp_path / "run"
    values = SMALL | {"iterations": 2, "late_grid": 16, "aging_rate": 0.0, "terms": {}}
    values |= {"decoder": 2, "size": 64}
    trained = train(train_settings(fine, out, "material", **values)).rule
    rule = load_rule(out / "rule.safetensors").rule
    assert rule.settings.maps == MAPS
    assert torch.equal(rule.decoder.w2, trained.decoder.w2)
    assert rule.decoder.w2.abs().sum(1).min() > 0
    with Image.open(out / "preview.png") as preview:
        assert preview.size == (4 * 336 + 16, 4 * 366 + 16)
    # A decoder that draws other maps cannot be kept.
    fewer = settings_of(
        fine, decoder=2, size=64, from_rule=out / "rule.safetensors", maps=("normal",)
    )
    assert task(fewer).rule.decoder.outputs == 6
    with pytest.raises(InputError, match="fine: has 64x64 pixels, too few for `size` 72 with a"):
        train(train_settings(fine, None, "material", **values | {"size": 72}))
    photo = fine / "domes_color.png"
    with pytest.raises(InputError, match="too few for `size` 72 with a `decoder`"):
        train(train_settings(photo, None, "material", **values | {"size": 72, "maps": ("height",)}))


def test_a_material_without_any_pattern_is_refused(tmp_path: Path) -> None:
    for name, mode in (("color", "RGB"), ("height", "L")):
        Image.new(mode, (40, 40)).save(tmp_path / f"flat_{name}.png")
    with pytest.raises(InputError, match="all of its maps are flat; a material needs a pattern"):
        Material.read(settings_of(tmp_path))
    Image.linear_gradient("L").resize((40, 40)).save(tmp_path / "flat_height.png")
    assert Material.read(settings_of(tmp_path)).shape == (4, 32, 32)  # white plaster, for example


def test_weights_of_maps_need_maps() -> None:
    settings = train_settings("a.png", None, "tiny", size=32, map_weights={"height": 2.0})
    with pytest.raises(InputError, match="`map_weights`: only a material has maps"):
        picture_loss(settings, torch.rand(3, 32, 32), torch.Generator())
