"""The distance of an example to the nearest sample of a GAN, over its latent vectors."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.models import Variables, full_float32
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Adversarial, Drawn, Signal
from pptp_jax.validation import Refused, at_least, positive


def latent_signal(
    starts: int = 50, steps: int = 50, learning_rate: float = 0.05, weight: float = 1e-3
) -> Signal:
    r"""The distance of each example to the nearest sample found by optimising the latent vector.

    Adam lowers, over the noise z,

    \[ \|G(z, y) - x\|^2 / d + w\,(\|z\|^2 / k - 1)^2 , \]

    from the best of some draws of z on. The second part keeps z as long as noise is: k is its
    length. The attacker has the generator, or can choose its noise.

    Args:
        starts: how many draws there are to begin with.
        steps: how many steps of Adam.
        learning_rate: its rate.
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
    at_least(1, starts=starts, steps=steps)
    positive(learning_rate=learning_rate, weight=weight)
    settings = {"starts": starts, "steps": steps, "learning_rate": learning_rate, "weight": weight}
    tx = optax.adam(learning_rate)

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

            def loss(z: Float[Array, " latent"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
                distance = distances(own, z[None], x, label)[0]
                return distance + weight * (jnp.square(z).mean() - 1) ** 2, distance

            def step(carry: tuple[Array, optax.OptState, Array], _: None) -> tuple[tuple, None]:
                z, state, best = carry
                slope, distance = jax.grad(loss, has_aux=True)(z)
                updates, state = tx.update(slope, state)
                return (z + updates, state, jnp.minimum(best, distance)), None

            z = draws[first.argmin()]
            (z, _, best), _ = jax.lax.scan(step, (z, tx.init(z), first.min()), length=steps)
            return jnp.sqrt(jnp.minimum(best, loss(z)[1]))

        @jax.jit
        @full_float32
        def every(fleet: Variables, rows: Int[Array, " rows"]) -> Float[Array, "models rows"]:
            def of_model(own: Variables) -> Float[Array, " rows"]:
                return jax.lax.map(lambda row: of_example(own, row), rows, batch_size=256)

            return jax.lax.map(of_model, fleet)

        return every(request.fleet, request.rows)

    axes = ("models", "examples")
    name = "latent_distance"
    return Signal(name=name, axes=axes, access="white-box", take=take, settings=settings)
