"""The task of diffusion models: predict the noise in an image."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.example_noise import content_key
from pptp_jax.tasks.input_range import InputRange
from pptp_jax.tasks.noise_schedule import Schedule, signal_shares
from pptp_jax.tasks.signal import At, Signal
from pptp_jax.tasks.task import Task
from pptp_jax.validation import Refused, at_least

Errors = Float[Array, "batch timesteps"]

_TIMESTEPS = 10


class Noisy(NamedTuple):
    """The inputs of a denoiser: noisy images, timesteps and labels.

    Attributes:
        inputs: images with noise, scaled to about [−1, 1].
        timesteps: how much noise that is, from 0 on.
        labels: the classes of the images.

    Examples:
        >>> Noisy(jnp.zeros((2, 4)), jnp.array([0, 9]), jnp.array([1, 1])).inputs.shape
        (2, 4)
    """

    inputs: Float[Array, "batch ..."]
    timesteps: Int[Array, " batch"]
    labels: Int[Array, " batch"]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Denoising(InputRange, Task):
    r"""Networks that predict the noise, given a noisy image, its timestep and its label.

    With the schedule's \(\bar\alpha_t\) the network sees
    \(x_t = \sqrt{\bar\alpha_t}\, x + \sqrt{1 - \bar\alpha_t}\, \varepsilon\). Its error is the mean
    over the d numbers of an image \(e_t = \|\varepsilon - \varepsilon_\theta(x_t, t)\|^2 / d\).

    - In training each example has `multiplicity` random timesteps with random noise; its loss is
      the mean of their errors. Under DP-SGD all of them lie inside one clip (noise multiplicity).
    - In eval mode nothing is random: the errors at `timesteps`, each averaged over `draws` of
      noise that depends on the image, the timestep and the number of the draw alone. All models of
      a fleet see an image with the same noise, wherever it stands in a batch.

    A timestep is a query: `confidence` and `log_prob` have one row a timestep, so that attacks
    combine timesteps as they combine queries. The confidence is \(-\log e_t\), about Gaussian over
    models (docs/generative.md has figures). The log-probability is \(-\tfrac12 d\, e_t\), that of
    the noise under a Gaussian around the network's answer. The signal `denoising_error` is
    \(e_t\) itself, with an axis `timesteps`.

    Attributes:
        steps: the timesteps that there are.
        schedule: how noise grows over them; see `signal_shares`.
        timesteps: those at which models are evaluated; none are ten at equal distances.
        draws: the draws of noise that an evaluation averages over.
        multiplicity: the timesteps and noises that a step of training draws for an example.
        low: what is mapped onto −1, the least number of the inputs.
        high: what is mapped onto 1.
        numbers: d, how many numbers an image has, for the log-probability alone.

    Raises:
        ValueError: if a number is out of range.

    References:
        Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020,
        https://arxiv.org/abs/2006.11239
        Dockhorn et al., "Differentially Private Diffusion Models", TMLR 2023,
        https://arxiv.org/abs/2210.09929 (noise multiplicity)

    Examples:
        >>> Denoising(steps=100).evaluated
        (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)
        >>> print(Denoising().utility(jnp.array([[0.5, 0.1]]), None))
        [0.3]
    """

    steps: int = 100
    schedule: Schedule = "cosine"
    timesteps: tuple[int, ...] = ()
    draws: int = 4
    multiplicity: int = 1
    low: float = 0.0
    high: float = 1.0
    numbers: int = 1

    name: ClassVar[str] = "denoising"
    utility_name: ClassVar[str] = "denoising error"
    higher_is_better: ClassVar[bool] = False
    conditional: ClassVar[bool] = True
    builder: ClassVar[str] = "ddpm"

    def __post_init__(self) -> None:
        signal_shares(self.schedule, self.steps)
        at_least(1, draws=self.draws, multiplicity=self.multiplicity, numbers=self.numbers)
        for timestep in self.timesteps:
            if not 0 <= timestep < self.steps:
                raise Refused(f"timesteps must be from 0 to {self.steps - 1}, got {timestep}")
        self.check_range()

    @cached_property
    def evaluated(self) -> tuple[int, ...]:
        """The timesteps at which models are evaluated."""
        if self.timesteps:
            return self.timesteps
        count = min(_TIMESTEPS, self.steps)
        return tuple(int((i + 0.5) * self.steps / count) for i in range(count))

    @property
    def shares(self) -> Float[Array, " steps"]:
        r"""The schedule's \(\bar\alpha_t\)."""
        return jnp.asarray(signal_shares(self.schedule, self.steps), jnp.float32)

    def noisy(
        self,
        images: Float[Array, "batch ..."],
        timesteps: Int[Array, " batch"],
        noise: Float[Array, "batch ..."],
    ) -> Float[Array, "batch ..."]:
        r"""\(x_t\) of scaled images.

        Args:
            images: the images.
            timesteps: one for each.
            noise: one for each.
        """
        left = self.shares[timesteps].reshape(-1, *(1,) * (images.ndim - 1))
        return jnp.sqrt(left) * images + jnp.sqrt(1 - left) * noise

    def outputs(
        self, model: Any, variables: Any, batch: Batch, *, train: Any, key: Key[Array, ""] | None
    ) -> tuple[Errors, Any]:
        """The errors of each example at some timesteps, and the network's new state.

        Args:
            model: the `Model`, whose network takes `Noisy`.
            variables: its parameters and state.
            batch: the examples, with labels.
            train: as in `Model.apply`.
            key: the randomness of the call; None in eval mode.
        """
        if key is not None:
            images, labels, size = self.scaled(batch.inputs), batch.targets, batch.size
            assert labels is not None
            of_times, of_noise, inner = jax.random.split(key, 3)
            images, labels = (jnp.repeat(a, self.multiplicity, axis=0) for a in (images, labels))
            timesteps = jax.random.randint(of_times, labels.shape, 0, self.steps)
            noise = jax.random.normal(of_noise, images.shape)
            seen = Noisy(self.noisy(images, timesteps, noise), timesteps, labels)
            said, state = model.apply(*variables, seen, train=train, key=inner)
            return _squares(said, noise).reshape(size, -1), state
        return self.errors(model, variables, batch, jnp.array(self.evaluated)), variables.state

    def errors(
        self, model: Any, variables: Any, batch: Batch, timesteps: Int[Array, " timesteps"]
    ) -> Errors:
        """The errors at some timesteps in eval mode, with the noise that belongs to each example.

        Args:
            model: the `Model`.
            variables: its parameters and state.
            batch: the examples, with labels.
            timesteps: which.
        """
        keys = jax.vmap(content_key)(batch.inputs)
        assert batch.targets is not None
        images = jnp.repeat(self.scaled(batch.inputs), self.draws, axis=0)
        labels = jnp.repeat(batch.targets, self.draws, axis=0)

        def at(timestep: Int[Array, ""]) -> Float[Array, " batch"]:
            def draw(own: Key[Array, ""]) -> Float[Array, "draws ..."]:
                shape = (self.draws, *images.shape[1:])
                return jax.random.normal(jax.random.fold_in(own, timestep), shape)

            noise = jax.vmap(draw)(keys).reshape(images.shape)
            times = jnp.broadcast_to(timestep, labels.shape)
            seen = Noisy(self.noisy(images, times, noise), times, labels)
            said, _ = model.apply(*variables, seen, train=False, key=None)
            return _squares(said, noise).reshape(batch.size, -1).mean(axis=1)

        return jax.lax.map(at, timesteps).T

    def losses(self, outputs: Errors, batch: Batch) -> Float[Array, " batch"]:
        """The mean error of each example."""
        return outputs.mean(axis=1)

    def confidence(self, answers: Errors, targets: Any) -> Float[Array, " batch"]:
        """−log e, averaged over the timesteps."""
        return _fit(answers).mean(axis=1)

    def log_prob(self, answers: Errors, targets: Any) -> Float[Array, " batch"]:
        """−½ d e, averaged over the timesteps."""
        return self._log_prob(answers).mean(axis=1)

    def utility(self, answers: Errors, targets: Any) -> Float[Array, " batch"]:
        """e, averaged over the timesteps."""
        return answers.mean(axis=1)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals for attacks, one row a timestep."""
        return (
            _rows("confidence", _fit, at="stops"),
            _rows("log_prob", self._log_prob),
            Signal(
                name="denoising_error",
                axes=("models", "queries", "timesteps", "examples"),
                access="scores",
                reduce=lambda answers, targets: answers,
            ),
        )

    def _log_prob(self, errors: Errors) -> Errors:
        return -self.numbers / 2 * errors

    def teaching(self, outputs: Errors) -> Errors:
        """Refuses: errors do not teach a student.

        Raises:
            ValueError: always.
        """
        raise Refused("a denoiser does not teach: its answers here are errors, not noise")

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses data without classes, and inputs that are no numbers.

        Raises:
            ValueError: saying what does not fit.
        """
        if data.num_classes is None or data.y.ndim != 1:
            raise Refused(
                f"{data.name} has no classes, and a denoiser is given the class of each image: "
                "give integers as y and num_classes"
            )
        if data.vocabulary is not None:
            raise Refused(f"{data.name} has a vocabulary, and denoising is of numbers: give floats")
        self.check_inputs(data)
        shape = getattr(outputs, "shape", None)
        if shape is None or shape[1:] != (len(self.evaluated),):
            raise Refused(
                f"denoising has an error for each of {len(self.evaluated)} timesteps, so outputs "
                f"must have shape (batch, {len(self.evaluated)}), got {shape}"
            )


def _squares(said: Float[Array, "rows ..."], noise: Float[Array, "rows ..."]) -> Array:
    return jnp.square(said - noise).reshape(len(noise), -1).mean(axis=1)


def _fit(errors: Errors) -> Errors:
    return -jnp.log(jnp.maximum(errors, jnp.finfo(errors.dtype).tiny))


def _rows(name: str, function: Any, *, at: At = "end") -> Signal:
    """A signal with one row for each query and timestep."""

    def reduce(answers: Errors, targets: Any) -> Float[Array, " rows"]:
        return function(answers).reshape(-1)

    axes = ("models", "queries", "examples")
    return Signal(name=name, axes=axes, access="scores", at=at, reduce=reduce)
