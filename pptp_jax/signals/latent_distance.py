"""The distance of an example to the nearest sample of a GAN, over its latent vectors."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.models import Variables, full_float32
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Adversarial, Drawn, Signal
from pptp_jax.validation import Refused, at_least, positive

# L-BFGS: the steps that it remembers, and the most evaluations of one search along a line.
_MEMORY, _LONGEST = 10, 10


def latent_signal(starts: int = 50, evaluations: int = 50, weight: float = 1e-3) -> Signal:
    r"""The distance of each example to the nearest sample found by optimising the latent vector.

    L-BFGS lowers, over the noise z,

    \[ \|G(z, y) - x\|^2 / d + w\,(\|z\|^2 / k - 1)^2 , \]

    from the best of some draws of z on. The second part keeps z as long as noise is: k is its
    length. The attacker has the generator, or can choose its noise. On GANs of the digits L-BFGS
    came nearer than Adam in the same number of evaluations (docs/findings.md).

    Args:
        starts: how many draws there are to begin with.
        evaluations: how often the loss and its gradient are computed; the last search along a line
            may add nine.
        weight: w.

    Raises:
        ValueError: if a number is out of range; if the models are no GANs.

    References:
        Chen et al., "GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative
        Models", CCS 2020, https://arxiv.org/abs/1909.03935

    Examples:
        >>> latent_signal().axes
        ('models', 'examples')
    """
    at_least(1, starts=starts, evaluations=evaluations)
    positive(weight=weight)
    settings = {"starts": starts, "evaluations": evaluations, "weight": weight}
    search = optax.scale_by_zoom_linesearch(_LONGEST, initial_guess_strategy="one")
    tx = optax.lbfgs(memory_size=_MEMORY, linesearch=search)

    def take(request: SignalRequest) -> Float[Array, "models examples"]:
        model, task = request.model, request.model.task
        if not isinstance(task, Adversarial):
            raise Refused(f"only a GAN has noise to choose; the model's task is {task.name}")

        def distances(
            own: Variables, noise: Float[Array, "draws latent"], x: Array, label: Int[Array, ""]
        ) -> Float[Array, " draws"]:
            drawn = Drawn(noise, jnp.broadcast_to(label, (len(noise),)))
            made, _ = model.apply(*own, drawn, train=False, key=None)
            return jnp.square(made - x[None]).reshape(len(noise), -1).mean(axis=1)

        def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, ""]:
            x, label = request.data.inputs(row), request.data.targets(row)
            draws = jax.random.normal(request.key, (starts, task.latent))
            first = distances(own, draws, x, label)

            def beside(z: Float[Array, " latent"]) -> Float[Array, ""]:
                return weight * (jnp.square(z).mean() - 1) ** 2

            def loss(z: Float[Array, " latent"]) -> Float[Array, ""]:
                return distances(own, z[None], x, label)[0] + beside(z)

            known = optax.value_and_grad_from_state(loss)

            def left(carry: tuple) -> Array:
                return carry[-1] < evaluations

            def step(carry: tuple) -> tuple:
                z, state, best, spent = carry
                value, slope = known(z, state=state)
                best = jnp.minimum(best, value - beside(z))
                more = {"value": value, "grad": slope, "value_fn": loss}
                updates, state = tx.update(slope, state, z, **more)
                spent += jnp.maximum(state[-1].info.num_linesearch_steps, 1)
                return optax.apply_updates(z, updates), state, best, spent

            z = draws[first.argmin()]
            begin = (z, tx.init(z), first.min(), jnp.int32(1))
            z, state, best, _ = jax.lax.while_loop(left, step, begin)
            end = known(z, state=state)[0] - beside(z)
            return jnp.sqrt(jnp.maximum(jnp.minimum(best, end), 0.0))

        @jax.jit
        @full_float32
        def every(fleet: Variables, rows: Int[Array, " rows"]) -> Float[Array, "models rows"]:
            return over_examples(of_example, fleet, rows, at_once=256)

        return every(request.fleet, request.rows)

    axes = ("models", "examples")
    name = "latent_distance"
    return Signal(name=name, axes=axes, access="white-box", take=take, settings=settings)
