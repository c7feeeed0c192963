"""The published networks: counts by formula, blocks that cover them, what their norms mix."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filling import filled

from pptp_jax.models import (
    from_linen,
    resnet8,
    resnet9,
    resnet18,
    standardized,
    vgg11_bn,
    vit,
    wrn28,
)
from pptp_jax.models.fast_resnet import FastResNet
from pptp_jax.models.normalization import groups
from pptp_jax.models.resnet import ResNet
from pptp_jax.models.vgg import VGG
from pptp_jax.models.vision_transformer import _PatchEmbed
from pptp_jax.models.wide_resnet import WideResNet
from pptp_jax.regions import PARTS, RegionMap, protect, sizes

NORM = 2  # parameters a channel: a scale and a bias


def resnet_count(classes: int, widths: tuple[int, ...], depth: int) -> int:
    before = widths[0]
    count = 27 * before + NORM * before
    for width in widths:
        convolutions = 2 * depth
        count += 9 * before * width + (convolutions - 1) * 9 * width * width
        count += convolutions * NORM * width
        if before != width:
            count += before * width + NORM * width
        before = width
    return count + (before + 1) * classes


def resnet18_count(classes: int) -> int:
    return resnet_count(classes, (64, 128, 256, 512), 2)


def resnet9_count(classes: int, width: int) -> int:
    pairs = [(3, 1), (1, 2), (2, 2), (2, 2), (2, 4), (4, 8), (8, 8), (8, 8)]
    layers = [(a if a == 3 else a * width, b * width) for a, b in pairs]
    return sum((9 * a + NORM) * b for a, b in layers) + 8 * width * classes


def wrn28_count(widen: int, classes: int) -> int:
    count, before = 27 * 16, 16
    for width in (16 * widen, 32 * widen, 64 * widen):
        for _ in range(4):
            count += NORM * before + 9 * before * width + NORM * width + 9 * width * width
            if before != width:
                count += before * width
            before = width
    return count + NORM * before + (before + 1) * classes


def vgg11_count(classes: int) -> int:
    widths = (3, 64, 128, 256, 256, 512, 512, 512, 512)
    return sum((9 * a + 1) * b + NORM * b for a, b in pairwise(widths)) + 513 * classes


def vit_count(classes: int, patch: int, width: int, depth: int, mlp: int) -> int:
    tokens = (32 // patch) ** 2
    embed = (3 * patch**2 + 1) * width + tokens * width
    attention = 4 * (width + 1) * width
    layers = (width + 1) * mlp + (mlp + 1) * width
    return (
        embed
        + depth * (2 * NORM * width + attention + layers)
        + NORM * width
        + (width + 1) * classes
    )


@pytest.mark.parametrize(
    ("make", "classes", "formula", "stated", "blocks"),
    [
        (resnet18, 10, resnet18_count(10), 11_173_962, 6),
        (partial(resnet18, norm="group"), 100, resnet18_count(100), None, 6),
        (resnet8, 10, resnet_count(10, (16, 32, 64), 1), 78_042, 5),
        (partial(resnet8, width=3), 7, resnet_count(7, (3, 6, 12), 1), None, 5),
        (resnet9, 10, resnet9_count(10, 64), 6_573_120, 5),
        (partial(resnet9, width=4, norm="group"), 7, resnet9_count(7, 4), None, 5),
        (partial(wrn28, 2), 10, wrn28_count(2, 10), 1_467_610, 5),
        (partial(wrn28, 10), 10, wrn28_count(10, 10), 36_479_194, 5),
        (partial(wrn28, 1, norm="group"), 100, wrn28_count(1, 100), None, 5),
        (vgg11_bn, 10, vgg11_count(10), 9_231_114, 6),
        (vit, 10, vit_count(10, 4, 192, 6, 768), None, 5),
        (
            partial(vit, patch=8, width=24, depths=(2, 1), heads=2, mlp=40),
            7,
            vit_count(7, 8, 24, 3, 40),
            None,
            4,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_parameters_and_blocks(make, classes, formula, stated, blocks) -> None:
    model = make(num_classes=classes)
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    made: list[str] = []

    def init(key, x):
        variables = model.init(key, x)
        made.extend(variables.params)
        return variables

    variables = jax.eval_shape(init, jax.random.key(0), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables.params)) == formula
    assert stated in (None, formula)  # by the docstring
    logits, state = jax.eval_shape(
        lambda v, x: model.apply(*v, x, train=True, key=None), variables, x
    )
    assert logits.shape == (2, classes)
    assert jax.tree.structure(state) == jax.tree.structure(variables.state)
    # The blocks are the submodules, in the order in which these ran and made their parameters.
    names = [block.name for block in model.blocks]
    assert len(names) == blocks and names == made
    exact = RegionMap.from_rules([(block.pattern, block.name) for block in model.blocks])
    assert set(jax.tree.leaves(exact.labels(variables.params))) == set(names)
    for region in ("stem", "shallow", "deep", "head", names[:2]):
        labels = protect(region, model.blocks).labels(variables.params)
        assert set(jax.tree.leaves(labels)) == {"protect", "general"}


def test_resnet8_is_that_of_mlperf_tiny_but_for_biases_and_norms() -> None:
    """MLPerf Tiny states 78,666 numbers, running statistics included."""
    biases = 3 * 16 + 3 * 32 + 3 * 64  # of its nine convolutions
    statistics = 2 * (3 * 16 + 2 * 32 + 2 * 64)  # of its seven norms
    norms_in_shortcuts = NORM * (32 + 64)  # ours alone
    ours = resnet_count(10, (16, 32, 64), 1)
    assert ours == 78_666 - biases - statistics + norms_in_shortcuts


@pytest.mark.parametrize(("width", "over"), [(16, jnp.max), (8, jnp.mean)])
def test_resnet9_takes_the_largest_of_each_map_and_divides_by_eight(
    width, over, compile_in_haste
) -> None:
    """What cannot be halved any more, a column of two pixels, is averaged."""
    x = jax.random.normal(jax.random.key(1), (3, 16, width, 3))
    variables = filled(model := resnet9(4, width=2), x)
    *_, maps, _ = model.features(*variables, x)
    assert maps.shape == (3, 2, width // 8, 16)
    logits, _ = model.apply(*variables, x, train=False, key=None)
    expected = over(maps, axis=(1, 2)) @ variables.params["head"]["kernel"] / 8
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "mixes"),
    [
        (ResNet((4, 8), 1, 3, "group"), False),
        (FastResNet(4, 3, "group"), False),
        (WideResNet(4, (4, 8), 1, 3, "group", 0.0), False),
        (VGG(((4,), (8,)), 3, "group"), False),
        (VGG(((4,), (8,)), 3, "batch"), True),
    ],
    ids=["resnet", "fast", "wide", "vgg", "vgg with batch norm"],
)
def test_group_norm_mixes_no_examples(module, mixes, compile_in_haste) -> None:
    model = from_linen(module)
    x = jax.random.normal(jax.random.key(0), (4, 8, 8, 3))
    variables = filled(model, x)
    assert bool(variables.state) == mixes
    logits = jax.jit(lambda x: model.apply(*variables, x, train=True, key=None)[0])
    before, after = logits(x), logits(x.at[1:].multiply(3.0))
    assert np.isfinite(before).all() and np.ptp(before, axis=0).min() > 1e-3
    assert np.allclose(before[0], after[0], atol=1e-5) != mixes


def test_groups_divide_the_channels() -> None:
    for channels in range(1, 70):
        counts = [n for n in range(1, 17) if channels % n == 0 and (channels // n >= 2 or n == 1)]
        assert groups(channels) == max(counts)


def test_patches_are_cut_in_reading_order() -> None:
    # The patches' dense layer picks out the first pixel of each patch.
    model = vit(2, patch=2, width=4, depths=(1,), heads=1, mlp=4)
    x = jnp.arange(32.0).reshape(1, 4, 8, 1)
    params = jax.eval_shape(model.init, jax.random.key(0), x).params["patch_embed"]
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), params)
    params["patches"]["kernel"] = params["patches"]["kernel"].at[0].set(1.0)
    tokens = _PatchEmbed(2, 4, 0.0).apply({"params": params}, x, train=False)
    np.testing.assert_array_equal(tokens[0, :, 0], [0, 2, 4, 6, 16, 18, 20, 22])


def test_the_parts_of_a_transformer_have_the_published_counts() -> None:
    width, hidden, depth = 8, 12, 3
    model = standardized(vit(2, width=width, depths=(2, 1), heads=2, mlp=hidden), [0.5], [0.2])
    params = model.shapes(jnp.ones((1, 8, 8, 1))).params
    counts = {
        part.name: sizes(protect(part.name, model.blocks, model.parts), params)[
            "protect"
        ].parameters
        for part in model.parts
    }
    assert counts == {
        "embed": (16 + 1) * width + 4 * width,
        "attention": depth * 4 * (width + 1) * width,  # queries, keys, values and what joins them
        "mlp": depth * ((width + 1) * hidden + (hidden + 1) * width),
    }
    assert set(counts) <= set(PARTS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: resnet18(1), "num_classes must be an integer of at least 2, got 1"),
        (lambda: resnet18(10, norm="groop"), "did you mean 'group'"),
        (lambda: resnet8(width=0), "width must be an integer of at least 1, got 0"),
        (lambda: resnet8(norm="none"), "norm 'none' is unknown"),
        (lambda: resnet8(dropout=1.5), "dropout must lie between 0 and 1, got 1.5"),
        (lambda: resnet9(dropout=-0.1), "dropout must lie between 0 and 1, got -0.1"),
        (lambda: resnet9(1), "num_classes must be an integer of at least 2, got 1"),
        (lambda: resnet9(width=0), "width must be an integer of at least 1, got 0"),
        (
            lambda: resnet9().init(jax.random.key(0), jnp.ones((1, 8, 7, 3))),
            "resnet9 needs images of at least 8×8, got 8×7",
        ),
        (lambda: wrn28(0), "widen must be an integer of at least 1, got 0"),
        (lambda: wrn28(2, dropout=2.0), "dropout must lie between 0 and 1"),
        (lambda: wrn28(2, norm="none"), "Known: 'batch', 'group'"),
        (lambda: vgg11_bn(0), "num_classes must be an integer of at least 2, got 0"),
        (lambda: vgg11_bn(norm="layer"), "norm 'layer' is unknown"),
        (lambda: vit(depths=(2, 0)), r"depths\[1\] must be an integer of at least 1, got 0"),
        (lambda: vit(width=10, heads=3), "heads must divide the width, got 3 heads and width 10"),
        (lambda: vit(depths=()), "stages must be an integer of at least 1, got 0"),
        (
            lambda: vit(patch=5).init(jax.random.key(0), jnp.ones((1, 32, 32, 3))),
            "patch must divide the images' height and width, got patch 5 and images of 32×32",
        ),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
