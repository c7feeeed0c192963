"""How networks of convolutions begin: variances against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models import cnn, mlp, resnet8, resnet9, resnet18, wrn28
from pptp_jax.models.builders import rebuilt
from pptp_jax.models.initialization import INITIALIZATIONS, weight_variance

IMAGES = jnp.zeros((1, 16, 16, 3))
BUILT = {
    "cnn": lambda **own: cnn([24, 32], dense=40, num_classes=30, **own),
    "cnn-norm": lambda **own: cnn([24, 32], dense=40, num_classes=30, norm="group", **own),
    "resnet8": lambda **own: resnet8(30, norm="group", **own),
    "resnet9": lambda **own: resnet9(30, width=16, **own),
    "wrn28": lambda **own: wrn28(1, 30, **own),
}


def kernels(model):
    """Each kernel, and whether it is the last one."""
    params = model.init(jax.random.key(0), IMAGES).params
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        names = [part.key for part in path]
        if names[-1] == "kernel":
            yield np.asarray(leaf, float), names[0] == "head"


@pytest.mark.parametrize(
    ("model", "name"),
    [*(("cnn", name) for name in INITIALIZATIONS), *((model, "ntk") for model in [*BUILT][1:])],
)
def test_every_kernel_has_the_variance_of_its_name(model: str, name: str) -> None:
    found = list(kernels(BUILT[model](initialization=name)))
    assert [last for _, last in found].count(True) == 1
    for kernel, last in found:
        *window, inputs, outputs = kernel.shape
        size = int(np.prod(window))
        expected = weight_variance(name, size * inputs, size * outputs, last=last)
        # A sample of n normal numbers has its variance within √(2 / n), five times.
        assert kernel.var() == pytest.approx(expected, rel=5 * (2 / kernel.size) ** 0.5)
        assert abs(kernel.mean()) < 5 * (expected / kernel.size) ** 0.5
        assert np.abs(kernel).max() > 2.3 * expected**0.5  # no tails cut off


def test_no_two_kernels_are_drawn_alike() -> None:
    found = [kernel.ravel()[:50] for kernel, _ in kernels(BUILT["wrn28"](initialization="he"))]
    scaled = np.stack([own / np.linalg.norm(own) for own in found])
    np.testing.assert_array_less(np.abs(scaled @ scaled.T - np.eye(len(scaled))), 0.8)


@pytest.mark.parametrize("model", BUILT)
def test_the_default_has_no_such_word_in_its_record(model: str) -> None:
    assert "initialization" not in BUILT[model]().config
    named = BUILT[model](initialization="ntk")
    assert named.config["initialization"] == "ntk"
    assert rebuilt(named, num_classes=7).config["initialization"] == "ntk"


def test_biases_and_norms_begin_as_ever_and_dense_layers_as_in_mlp() -> None:
    plain, named = BUILT["resnet8"](), BUILT["resnet8"](initialization="lecun")
    one, other = (model.init(jax.random.key(0), IMAGES).params for model in (plain, named))
    same = jax.tree_util.tree_map_with_path(
        lambda path, a, b: path[-1].key == "kernel" or bool((a == b).all()), one, other
    )
    assert all(jax.tree.leaves(same))
    rows = jnp.zeros((1, 300))
    dense = mlp([200], 10, initialization="xavier").init(jax.random.key(0), rows).params["stem"]
    assert float(dense["kernel"].var()) == pytest.approx(2 / 500, rel=0.05)


@pytest.mark.parametrize("build", [*BUILT.values(), lambda **own: resnet18(**own)])
def test_an_unknown_start_is_refused(build) -> None:
    with pytest.raises(ValueError, match="initialization 'luck' is unknown"):
        build(initialization="luck")
