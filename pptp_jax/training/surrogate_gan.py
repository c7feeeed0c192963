"""LOGAN's black-box attacker: a GAN that learns from a model's samples stands in for the model.

References:
    Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models", PoPETs 2019,
    https://arxiv.org/abs/1705.07663
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, discriminator_mlp, full_float32, gan, generator_mlp
from pptp_jax.signals import SignalRequest, sample_labels, samples
from pptp_jax.signals.surrogate_score import SURROGATE_SCORE
from pptp_jax.tasks import Adversarial, Denoising, Signal
from pptp_jax.training.player_optimizer import Players
from pptp_jax.training.recipes import undefended
from pptp_jax.training.strategy import usual_strategy
from pptp_jax.training.train import make_train
from pptp_jax.validation import Refused, at_least, positive

# No model of a fleet has a number as high, so that no surrogate begins as a model has.
_SURROGATE = 2**31 + 5


def surrogate_signal(
    classes: int,
    *,
    count: int = 500,
    epochs: int = 200,
    width: int = 128,
    learning_rate: float = 5e-4,
    batch_size: int = 50,
) -> Signal:
    """The score of each example by the discriminator of a GAN that learned from samples alone.

    For each model a GAN of two perceptrons, each with two hidden layers, learns from the model's
    samples, which are its real examples. All surrogates begin alike and see the same batches, so
    that only the samples differ. The attacker knows the range of the inputs, and which label each
    sample was made for.

    Args:
        classes: the number of classes, of which as many samples are made each.
        count: how many samples.
        epochs: how long each surrogate learns.
        width: that of the hidden layers.
        learning_rate: that of both players.
        batch_size: the samples in a step; with fewer samples all of them.

    Raises:
        ValueError: if a number is out of range; when it is taken, if the model makes up no
            examples.

    Examples:
        >>> signal = surrogate_signal(classes=10, epochs=50)
        >>> signal.access, signal.settings["epochs"]
        ('samples', 50)
    """
    whole = {"count": count, "epochs": epochs, "width": width, "batch_size": batch_size}
    at_least(1, classes=classes, **whole)
    positive(learning_rate=learning_rate)
    settings = {"classes": classes, **whole, "learning_rate": learning_rate}
    optimizer = Players(learning_rate=learning_rate)

    def take(request: SignalRequest) -> Float[Array, "models examples"]:
        model = request.model
        if not isinstance(model.task, Adversarial | Denoising):
            raise Refused(f"the task {model.task.name} makes up no examples: take a gan or a ddpm")
        x, y = request.data.inputs(request.rows), request.data.targets(request.rows)
        surrogate = _surrogate(model.task, x.shape[1:], classes, width)
        labels, rows = sample_labels(count, classes), jnp.arange(count)
        train = make_train(
            surrogate, undefended(epochs), optimizer, batch_size=min(batch_size, count)
        )

        @jax.jit
        @full_float32
        def scores(fleet: Variables, key: Key[Array, ""]) -> Float[Array, "models examples"]:
            drawing, learning = jax.random.split(jax.random.fold_in(key, jnp.uint32(_SURROGATE)))

            def of_model(own: Variables) -> Float[Array, " examples"]:
                made = Arrays(
                    samples(model, own, drawing, labels), labels, jnp.float32(1), rows[:0]
                )
                variables, _ = train(learning, made, rows)
                return surrogate.answering(variables)(x, y).score

            return usual_strategy().over_models(of_model, (0,))(fleet)

        return scores(request.fleet, request.key)

    return replace(SURROGATE_SCORE, take=take, settings=settings)


def _surrogate(
    task: Adversarial | Denoising, shape: tuple[int, ...], classes: int, width: int
) -> Model:
    """A GAN of perceptrons for inputs of the range of a task."""
    hidden = [width, width]
    players = generator_mlp(hidden, shape, classes), discriminator_mlp(hidden, classes)
    return gan(*players, classes, low=task.low, high=task.high)
