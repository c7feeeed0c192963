"""Native convolutions against products of patches, one model, many at once, or one after another.

The shapes are those of ResNet-18 on images of 32 x 32. The patches here are a twin of their own, so
that the figures stay comparable when the library's convolution changes.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from rows import seconds

from accelerator_steps.precision import PRECISIONS, computing_in
from accelerator_steps.recorder import Recorder, Setting, short

# Side of the image, channels in, channels out.
SHAPES = {
    "stem": (32, 3, 64),
    "stage 1": (32, 64, 64),
    "stage 2": (16, 128, 128),
    "stage 3": (8, 256, 256),
    "stage 4": (4, 512, 512),
}
SMALL_SHAPES = {"stem": (6, 3, 4)}


def native(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A 3x3 convolution, channels last."""
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def patches(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same as one product of nine shifted copies."""
    images, height, width, _ = x.shape
    wide = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifts = [wide[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    rows = jnp.concatenate(shifts, axis=-1).reshape(images * height * width, -1)
    product = rows @ kernel.reshape(-1, kernel.shape[-1])
    return product.reshape(images, height, width, -1)


FORMS = {"native": native, "patches": patches}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One program.

    Attributes:
        shape: a name of `SHAPES`.
        form: a name of `FORMS`.
        order: `vmap`, `scan` or, for one model, `alone`.
        backward: whether both gradients are taken, too.
        precision: a name of `PRECISIONS`.
    """

    shape: str
    form: str
    order: str
    backward: bool
    precision: str

    @property
    def name(self) -> str:
        """What the rows call it."""
        way = "forward and backward" if self.backward else "forward"
        return f"convolution, {self.shape}, {self.precision}, {way}: {self.form}, {self.order}"


def levels(shapes: dict[str, Any]) -> Iterator[list[Case]]:
    """All cases, the most telling first: training of many models, in the fastest precisions."""
    for backward, orders in ((True, ("vmap", "scan")), (True, ("alone",)), (False, ("vmap",))):
        for precision in ("TF32", "bfloat16"):
            yield list(_cases(shapes, precision, orders, backward))
    yield list(_cases(shapes, "float32", ("vmap", "scan"), True))
    for precision in PRECISIONS:
        yield list(_cases(shapes, precision, ("scan", "alone"), False))
    yield list(_cases(shapes, "float32", ("alone",), True))
    yield list(_cases(shapes, "float32", ("vmap",), False))


def _cases(
    shapes: dict[str, Any], precision: str, orders: tuple[str, ...], backward: bool
) -> Iterator[Case]:
    for shape in shapes:
        for form in FORMS:
            for order in orders:
                yield Case(
                    shape=shape, form=form, order=order, backward=backward, precision=precision
                )


def program(case: Case) -> Callable[..., Any]:
    """Images, a kernel and the slope of the output, to the output and, backward, the gradients."""
    form = FORMS[case.form]

    def one(x: jax.Array, kernel: jax.Array, slope: jax.Array) -> Any:
        if not case.backward:
            return form(x, kernel)
        out, pull = jax.vjp(form, x, kernel)
        return out, pull(slope)

    if case.order == "alone":
        return one
    if case.order == "vmap":
        return jax.vmap(one)
    return lambda *operands: lax.map(lambda own: one(*own), operands)


def check() -> None:
    """Refuses to compare forms that differ."""
    draw = np.random.default_rng(0)
    x, kernel, slope = (
        jnp.asarray(draw.standard_normal(shape), jnp.float32)
        for shape in ((2, 5, 5, 3), (3, 3, 3, 4), (2, 5, 5, 4))
    )
    found = {}
    with computing_in("float32"):
        for form in FORMS:
            case = Case(shape="", form=form, order="alone", backward=True, precision="float32")
            found[form] = jax.tree.leaves(jax.jit(program(case))(x, kernel, slope))
    for a, b in zip(found["native"], found["patches"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def measure(show: Recorder, setting: Setting) -> None:
    """Level by level, while there is time."""
    check()
    shapes = SMALL_SHAPES if setting.rehearse else SHAPES
    batch, models = (2, 2) if setting.rehearse else (128, 8)
    timed = 0
    # What a compiler tries out on a GPU it does one program at a time; all else runs side by side.
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    for level in levels(shapes):
        cases = [level[0], level[-1]] if setting.rehearse else level
        built = [(case, *_lowered(case, shapes[case.shape], batch, models)) for case in cases]
        compiling = [pool.submit(lowered.compile) for _, lowered, _ in built]
        # Nothing is timed while others compile; one that takes too long is given up.
        wait(compiling, max(0.0, show.left / 2))
        for (case, _, draw), compiled in zip(built, compiling, strict=True):
            if show.left < 0:
                break
            if not compiled.done():
                show.note(f"{case.name}: not compiled in time; it may disturb what follows")
            else:
                try:
                    _time(show, case, compiled.result(), draw, 1 if setting.rehearse else 50)
                    timed += 1
                except Exception as error:  # out of memory, or an algorithm that is not there
                    show.note(f"{case.name}: {short(error)}")
        if show.left < 0:
            break
    pool.shutdown(wait=False, cancel_futures=True)
    if show.left < 0:
        everything = sum(map(len, levels(shapes)))
        show.note(f"{timed} of {everything} cases were timed: no time for the others")


def _lowered(case: Case, shape: tuple[int, int, int], batch: int, models: int) -> tuple[Any, Any]:
    """A program before it is compiled, and what draws its operands and counts its work."""
    side, before, width = shape
    many = () if case.order == "alone" else (models,)
    dtype = PRECISIONS[case.precision][1]
    shapes = (
        (*many, batch, side, side, before),
        (*many, 3, 3, before, width),
        (*many, batch, side, side, width),
    )
    kinds = [jax.ShapeDtypeStruct(each, dtype) for each in shapes]
    with computing_in(case.precision):
        lowered = jax.jit(program(case)).lower(*kinds)
    work = 2 * 9 * before * width * side**2 * batch * (models if many else 1)
    return lowered, partial(_operands, kinds, work * (3 if case.backward else 1))


def _operands(kinds: list[Any], work: int) -> tuple[list[jax.Array], int]:
    draws = enumerate(kinds)
    return [jax.random.normal(jax.random.key(i), of.shape, of.dtype) for i, of in draws], work


def _time(show: Recorder, case: Case, compiled: Any, draw: Any, most: int) -> None:
    """Five times a tenth of a second, in which calls follow each other without a wait."""
    operands, work = draw()

    def called(times: int) -> Any:
        for _ in range(times):  # of the results, only the last is kept
            out = compiled(*operands)
        return out

    jax.block_until_ready(called(1))
    calls = int(np.clip(0.1 / seconds(lambda: called(1)), 1, most))
    found = [seconds(lambda: called(calls)) / calls for _ in range(5)]
    show(case.name, work / np.array(found) / 1e12, "TFLOP/s")
