"""Augmentation: every draw is one of the images that flips and shifts can give, each as likely."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Arrays, Augmentation, Dataset, Digits
from pptp_jax.models import mlp
from pptp_jax.training import train_fleet, undefended

IMAGE = np.random.default_rng(0).normal(size=(5, 6, 2)).astype(np.float32)


def every_version(flip: bool, shift: int) -> list[np.ndarray]:
    """All images that can come out, by reflecting and cutting in NumPy."""
    found = []
    for image in [IMAGE, IMAGE[:, ::-1]] if flip else [IMAGE]:
        wide = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
        for top in range(2 * shift + 1):
            for left in range(2 * shift + 1):
                found.append(wide[top : top + 5, left : left + 6])
    return found


def drawn(flip: bool, shift: int, batch: int, seed: int = 0) -> np.ndarray:
    run = jax.jit(Augmentation(flip=flip, shift=shift))
    return np.asarray(run(jax.random.key(seed), jnp.asarray(np.tile(IMAGE, (batch, 1, 1, 1)))))


@given(st.booleans(), st.integers(0, 2), st.integers(0, 2**31))
def test_what_comes_out_is_a_flip_and_a_reflected_shift(flip: bool, shift: int, seed: int) -> None:
    versions = np.stack(every_version(flip, shift))
    for image in drawn(flip, shift, 4, seed):
        assert (image == versions).all(axis=(1, 2, 3)).any()


@given(st.booleans(), st.integers(0, 4), st.integers(0, 2**31))
def test_products_pick_what_slices_cut(flip: bool, shift: int, seed: int) -> None:
    """The form for TPUs, to the last bit."""
    own = Augmentation(flip=flip, shift=shift)
    keys = jax.random.split(jax.random.key(seed), 3)
    flipped = jax.random.bernoulli(keys[0], 0.5, (4,)) & flip
    corners = jax.random.randint(keys[1], (4, 2), 0, 2 * shift + 1)
    images = jax.random.normal(keys[2], (4, 5, 6, 2))
    picked, cut = (
        own._picked(images, flipped, corners),
        jax.vmap(own._one)(images, flipped, corners),
    )
    np.testing.assert_array_equal(picked, cut)


def test_a_tpu_multiplies_exactly_and_others_gather() -> None:
    augment = jax.jit(Augmentation(flip=True, shift=2))
    traced = augment.trace(jax.random.key(0), jnp.zeros((4, 8, 8, 3)))
    texts = {name: traced.lower(lowering_platforms=(name,)).as_text() for name in ("cpu", "tpu")}
    assert ("gather" in texts["cpu"], "dot_general" in texts["cpu"]) == (True, False)
    assert ("gather" in texts["tpu"], texts["tpu"].count("[HIGHEST, HIGHEST]")) == (False, 2)


def test_every_version_is_as_likely() -> None:
    versions = {image.tobytes(): i for i, image in enumerate(every_version(True, 1))}
    counts = Counter(versions[image.tobytes()] for image in drawn(True, 1, 3600))
    assert len(counts) == len(versions) == 18
    expected = 3600 / 18
    chi_square = sum((n - expected) ** 2 / expected for n in counts.values())
    assert chi_square < 40.8  # the 99.9 % quantile with 17 degrees of freedom


def test_no_augmentation_changes_nothing() -> None:
    np.testing.assert_array_equal(drawn(False, 0, 3), np.tile(IMAGE, (3, 1, 1, 1)))


def test_examples_and_models_draw_on_their_own() -> None:
    assert len({image.tobytes() for image in drawn(True, 4, 64)}) > 30
    plain = Arrays.of(Digits().load(lambda n: np.arange(40)))
    data = plain._replace(augmentation=Augmentation(shift=2))
    keys = jax.random.split(jax.random.key(0), 2)
    first, second = jax.vmap(data.training_inputs, in_axes=(0, None))(keys, jnp.arange(40))
    assert (np.asarray(first) != np.asarray(second)).any(axis=(1, 2, 3)).sum() > 30
    np.testing.assert_array_equal(data.inputs(slice(0, 40)), plain.inputs(slice(0, 40)))


def test_training_sees_augmented_images() -> None:
    plain = Arrays.of(Digits().load(lambda n: np.arange(80)), reference=np.arange(60, 80))
    augmented = plain._replace(augmentation=Augmentation(flip=True, shift=3))
    indices = np.arange(60).reshape(1, 60)

    def weights(data: Arrays) -> np.ndarray:
        model = mlp([4], num_classes=10)
        [trained] = train_fleet(model, undefended(1), data, indices, batch_size=20)
        return np.asarray(trained.variables.params["stem"]["kernel"])

    idle = plain._replace(augmentation=Augmentation())
    np.testing.assert_array_equal(weights(plain), weights(idle))
    assert np.abs(weights(plain) - weights(augmented)).max() > 1e-3


def cut_out(image: np.ndarray, side: int, row: int, column: int) -> np.ndarray:
    """The naive twin: pixel by pixel."""
    found = image.copy()
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            if -(side // 2) <= i - row < side - side // 2 and (
                -(side // 2) <= j - column < side - side // 2
            ):
                found[i, j] = image.mean(axis=(0, 1))
    return found


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_cutout_is_one_square_whose_centre_is_any_pixel(side: int) -> None:
    """Of 3,000 draws each of the 30 centres has about 100: more than 55 and fewer than 155."""
    augment = jax.jit(Augmentation(cutout=side))
    batch = np.asarray(augment(jax.random.key(0), jnp.asarray(np.tile(IMAGE, (3000, 1, 1, 1)))))
    centres = [(row, column) for row in range(5) for column in range(6)]
    versions = np.stack([cut_out(IMAGE, side, *centre) for centre in centres])
    near = np.abs(batch[:, None] - versions[None]).max(axis=(2, 3, 4)) < 1e-6
    assert near.any(axis=1).all()
    assert near.sum(axis=0).min() > 55 and near.sum(axis=0).max() < 155


def test_flips_and_shifts_are_those_without_a_cutout() -> None:
    images = jnp.asarray(np.random.default_rng(1).normal(size=(40, 5, 6, 2)).astype(np.float32))
    key = jax.random.key(3)
    plain = np.asarray(Augmentation(flip=True, shift=1)(key, images))
    cut = np.asarray(Augmentation(flip=True, shift=1, cutout=3)(key, images))
    same = (plain == cut).all(axis=3)
    # A square of at least 2 by 2 pixels is gone from each, and at most one of 3 by 3.
    gone = (~same).sum(axis=(1, 2))
    assert gone.min() >= 4 and gone.max() == 9


def test_what_is_no_image_is_refused() -> None:
    rows = Dataset("rows", np.ones((4, 7)), np.array([0, 1, 0, 1]), np.arange(4).astype(str), 2)
    with pytest.raises(ValueError, match=r"needs images .* the examples have shape \(7,\)"):
        Arrays.of(rows, augmentation=Augmentation(flip=True))
    with pytest.raises(ValueError, match=r"wider than the shift of 8; .* \(8, 8, 1\)"):
        Arrays.of(Digits().load(), augmentation=Augmentation(shift=8))
    with pytest.raises(ValueError, match="shift must be an integer of at least 0, got -1"):
        Augmentation(shift=-1)
    with pytest.raises(ValueError, match="cutout must be an integer of at least 0, got -1"):
        Augmentation(cutout=-1)
    with pytest.raises(ValueError, match=r"cutout must be smaller .* got 8 and images of 8×8"):
        Arrays.of(Digits().load(), augmentation=Augmentation(cutout=8))
