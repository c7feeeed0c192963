"""The switch of precision: which products of a program are rounded, and which never are."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset
from pptp_jax.fleets import FleetSpec
from pptp_jax.fleets.fingerprint import fingerprint
from pptp_jax.models import (
    Model,
    Variables,
    compiled_for,
    full_float32,
    in_precision,
    mlp,
    precision_in_words,
    standardized,
)
from pptp_jax.objectives import AdversarialRegularisation
from pptp_jax.regions import Block
from pptp_jax.signals import SignalRequest, collect, gradient_norms
from pptp_jax.signals.boundary_distance import boundary_signal
from pptp_jax.signals.feature_margins import FEATURE_MARGINS
from pptp_jax.signals.gradient_norms import GRADIENT_NORMS
from pptp_jax.signals.input_gradient_norm import INPUT_GRADIENT_NORM
from pptp_jax.training import SGD, Trainer, make_train, undefended, usual_strategy, whole_network
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group

PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
LEVELS = {"float32": "HIGHEST", "tensorfloat32": "HIGH", "bfloat16": "DEFAULT"}
X = np.random.default_rng(0).integers(0, 256, (24, 6)).astype(np.uint8)
DATA = Dataset("small", X, np.arange(24) % 3, np.arange(24), 3, scale=1 / 255)
ROWS = np.arange(16).reshape(2, 8)
MLP = mlp([5], num_classes=3)


@jax.custom_vjp
def product(x, w):
    """A product with a derivative of its own."""
    return x @ w


product.defvjp(lambda x, w: (x @ w, (x, w)), lambda seen, g: (g @ seen[1].T, seen[0].T @ g))


def own_apply(params, state, x, *, train, key):
    return product(product(x, params["stem"]), params["head"]), state


OWN = Model(
    lambda key, x: Variables({"stem": jnp.ones((6, 4)), "head": jnp.ones((4, 3))}, {}),
    own_apply,
    blocks=(Block("stem", "stem"), Block("head", "head")),
)


def levels(program: str) -> list[str]:
    """The precision of each product and convolution of a program."""
    lines = re.findall(r"stablehlo\.(?:dot_general|convolution).*", program)
    found = [
        re.search(r"precision(?:_config)? = \[(?:#stablehlo<precision )?(\w+)", x) for x in lines
    ]
    return [one.group(1) for one in found if one is not None]


def epoch(model: Model, recipe=None) -> str:
    """The program of an epoch of a group."""
    [phase] = (undefended(1) if recipe is None else recipe).phases
    data = Arrays.of(DATA, reference=np.arange(16, 24))
    rules = GroupRules(Trainer(model, None, 4), SGD(), usual_strategy())
    keys, members = jax.random.split(jax.random.key(0), 2), jnp.asarray(ROWS)
    state = jax.eval_shape(start_group, rules, phase, None, keys, data, members, None)
    return epoch_of_group.lower(rules, phase, state, data, members, keys, 0, 0).as_text()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", [MLP, OWN], ids=["mlp", "own derivative"])
def test_training_has_products_of_its_precision_and_no_others(model: Model, precision) -> None:
    switched = in_precision(model, precision)
    with compiled_for("gpu"):
        program, exact = epoch(switched), epoch(model)
    # Two layers, forward and backward, but for the gradient of the inputs.
    assert levels(exact) == ["HIGHEST"] * len(levels(exact)) and len(levels(exact)) >= 5
    assert levels(program) == [LEVELS[precision]] * len(levels(exact))
    products = re.findall(r"stablehlo\.dot_general.*", program)
    assert all(("bf16" in line) == (precision == "bfloat16") for line in products)


def test_a_loss_that_multiplies_is_not_rounded() -> None:
    model = in_precision(MLP, "tensorfloat32")
    with compiled_for("gpu"):
        found = [
            levels(epoch(model, whole_network(AdversarialRegularisation(weight=1.0), 1))),
            levels(epoch(model)),
        ]
    assert "HIGHEST" in found[0] and {*found[1]} == {"HIGH"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_signals_are_those_of_full_float32(precision) -> None:
    """Also where JAX's own default, or that of who calls, rounds."""
    model, data = in_precision(MLP, precision), Arrays.of(DATA)
    fleet = jax.vmap(model.init, (0, None))(
        jax.random.split(jax.random.key(0), 2), data.inputs(slice(0, 1))
    )
    one = jax.tree.map(lambda leaf: leaf[0], fleet)
    x = data.inputs(slice(None))

    def taken(signal):
        def take(fleet):
            key = jax.random.key(0)
            return signal.take(SignalRequest(model, fleet, (0, 1), data, jnp.arange(4), key))

        return jax.jit(take).lower(fleet)

    searched = boundary_signal(queries=100, iterations=1)

    def evaluated(own):
        return model.apply(*own, x, train=False, key=None)[0]

    with compiled_for("tpu"), jax.default_matmul_precision("bfloat16"):
        programs = [
            jax.jit(lambda own: collect(model.answering(own), data, task=model.task)).lower(one),
            jax.jit(lambda own: model.answering(own)(x)).lower(one),
            jax.jit(evaluated).lower(one),
            gradient_norms.lower(model, fleet, data, jnp.arange(4)),
            *map(taken, (GRADIENT_NORMS, FEATURE_MARGINS, INPUT_GRADIENT_NORM, searched)),
        ]
    for program in programs:
        found = levels(program.as_text())
        assert len(found) >= 2 and {*found} == {"HIGHEST"}
        assert "bf16" not in program.as_text()


def test_on_a_cpu_nothing_is_said_and_a_fleet_keeps_its_name() -> None:
    def spec(model: Model) -> FleetSpec:
        return FleetSpec(model=model, recipe=undefended(1), data=DATA, members=ROWS, batch_size=4)

    models = [MLP, *(in_precision(MLP, precision) for precision in PRECISIONS)]
    plain, float32, tensorfloat32, bfloat16 = (fingerprint(spec(model)) for model in models)
    assert plain == float32 == tensorfloat32 != bfloat16
    with jax.default_matmul_precision("tensorfloat32"):  # as an environment variable may say
        assert fingerprint(spec(MLP)) == plain
    with compiled_for("gpu"):
        names = [fingerprint(spec(model)) for model in models]
    assert names[0] == names[1] and len({*names, plain, bfloat16}) == 5
    assert fingerprint(spec(MLP)) == plain


def test_one_model_by_make_train_is_as_exact_as_a_fleet() -> None:
    train = make_train(MLP, undefended(1), batch_size=4)
    with compiled_for("gpu"):
        lowered = jax.jit(train).lower(jax.random.key(0), Arrays.of(DATA), jnp.arange(8))
    found = levels(lowered.as_text())
    assert len(found) >= 5 and {*found} == {"HIGHEST"}


def test_a_program_for_another_platform_is_not_taken_for_ours() -> None:
    program = jax.jit(full_float32(lambda x: x @ x))
    x = jnp.ones((2, 2))
    assert levels(program.lower(x).as_text()) == ["DEFAULT"]
    with compiled_for("tpu"):
        assert levels(program.lower(x).as_text()) == ["HIGHEST"]
    assert levels(program.lower(x).as_text()) == ["DEFAULT"]


def test_inputs_are_standardised_before_they_are_rounded() -> None:
    x = jnp.array([[1000.0], [1001.0]])  # of one value in bfloat16
    model = Model(
        lambda key, x: Variables({"w": jnp.ones((1, 1))}, {}),
        lambda params, state, x, *, train, key: (x @ params["w"], state),
    )
    fine = standardized(in_precision(model, "bfloat16"), [1000.0], [1.0])
    outputs, _ = fine.apply({"w": jnp.ones((1, 1))}, {}, x, train=True, key=None)
    assert outputs.ravel().tolist() == [0.0, 1.0] and fine.precision == "bfloat16"


def test_two_precisions_are_refused_and_one_is_enough() -> None:
    half = in_precision(MLP, "bfloat16")
    assert in_precision(half, "bfloat16") is half
    with pytest.raises(
        ValueError, match=r"'tensorfloat32' is given to a model .* in bfloat16 already"
    ):
        in_precision(half, "tensorfloat32")


def test_what_is_rounded_is_said() -> None:
    for device in ("cpu", "gpu", "tpu"):
        said = {name: precision_in_words(name, device) for name in PRECISIONS}
        assert all(sentence.startswith(f"{name}: ") for name, sentence in said.items())
        assert "nothing is rounded" in said["float32"]
        assert "8 bits" in said["bfloat16"] and "all signals are float32" in said["bfloat16"]
    assert "on a CPU" in precision_in_words("tensorfloat32")
    assert "11 bits" in precision_in_words("tensorfloat32", "gpu")
    assert "16 bits" in precision_in_words("tensorfloat32", "tpu")
    with compiled_for("tpu"):
        assert precision_in_words("float32").endswith("train faster on this device")
