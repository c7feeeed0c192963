"""The task of GANs: a generator of samples, and a discriminator that scores examples."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.tasks.adversarial_outputs import Contested, Drawn, Scores, Shown, Verdict
from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.input_range import InputRange
from pptp_jax.tasks.nearest_sample import nearest
from pptp_jax.tasks.signal import Signal
from pptp_jax.tasks.task import Task, by_query
from pptp_jax.validation import Refused, at_least, not_negative, one_of

Contest = Literal["non-saturating", "wasserstein"]
CONTESTS = get_args(Contest)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Adversarial(InputRange, Task):
    r"""Class-conditional generative adversarial networks.

    The discriminator scores an example with its label, \(D(x, y)\); the generator makes an example
    of noise and a label, \(G(z, y)\). The loss of an example is the sum of both players' losses, in
    which each player's weights get the gradient of that player's own loss: the generator's score in
    the one is cut off from the generator, in the other from the discriminator. So plain training
    (`TaskLoss`) takes a step of both players at once from one forward pass, and every recipe works
    on a GAN. `Players` gives them optimisers of their own and the generator fewer steps.

    | contest | discriminator | generator |
    | --- | --- | --- |
    | `non-saturating` | softplus(−D(x)) + softplus(D(G(z))) + λ ‖∇D(x)‖² / 2 | softplus(−D(G(z))) |
    | `wasserstein` | D(G(z)) − D(x) + λ (‖∇D(x̂)‖ − 1)², x̂ between x and G(z) | −D(G(z)) |

    In eval mode nothing is random. The confidence is the score. A Wasserstein critic is known up to
    a constant, so its mean over made-up examples is taken off. The log-probability is
    \(\log \sigma\) of the confidence, which is \(\log P(\text{real} \mid x)\) of a non-saturating
    discriminator. Attacks on these two, such as LOSS and LiRA, are LOGAN's white-box attack: they
    need the discriminator.

    The utility is no score of the discriminator, which says nothing of what the generator makes. It
    is the distance of an example to the nearest of `samples` made-up ones: of non-members large
    where the generator leaves out modes and where it copies members. Samples themselves are judged
    by `pptp_jax.evaluation.SampleJudge`.

    Attributes:
        num_classes: the number of classes.
        latent: the length of the noise.
        contest: `non-saturating` or `wasserstein`.
        penalty: λ.
        samples: how many examples are made up in eval mode, always of the same noise.
        low: the least number of the inputs.
        high: the largest.

    Raises:
        ValueError: if a number is out of range or the contest is unknown.

    References:
        Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014,
        https://arxiv.org/abs/1406.2661
        Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", ICML
        2018, https://arxiv.org/abs/1801.04406 (the penalty at real examples)
        Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017,
        https://arxiv.org/abs/1704.00028
        Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models", PoPETs 2019,
        https://arxiv.org/abs/1705.07663

    Examples:
        >>> task = Adversarial()
        >>> print(task.log_prob(Verdict(jnp.zeros(1), jnp.ones(1)), None))
        [-0.6931472]
        >>> even = Contested(*(jnp.zeros(1) for _ in range(4)))
        >>> print(task.losses(even, Batch(None)) / jnp.log(2.0))  # log 2 for each of three scores
        [3.]
    """

    num_classes: int = 10
    latent: int = 32
    contest: Contest = "non-saturating"
    penalty: float = 0.0
    samples: int = 256
    low: float = 0.0
    high: float = 1.0

    name: ClassVar[str] = "adversarial"
    utility_name: ClassVar[str] = "distance to the nearest sample"
    higher_is_better: ClassVar[bool] = False
    conditional: ClassVar[bool] = True
    builder: ClassVar[str] = "gan"
    blind: ClassVar[str | None] = "generator/.*"

    def __post_init__(self) -> None:
        at_least(1, latent=self.latent, num_classes=self.num_classes, samples=self.samples)
        one_of(CONTESTS, contest=self.contest)
        not_negative(penalty=self.penalty)
        self.check_range()

    def outputs(
        self, model: Any, variables: Any, batch: Batch, *, train: Any, key: Key[Array, ""] | None
    ) -> tuple[Contested | Verdict, Any]:
        """The scores of a batch, and the new state: of both players in training.

        Args:
            model: the `Model`, which takes `Drawn` and `Shown`.
            variables: its parameters and state.
            batch: the examples, with labels.
            train: as in `Model.apply`.
            key: the randomness of the call; None in eval mode.
        """
        if key is None:
            return self._verdict(model, variables, batch), variables.state
        x, labels = batch.inputs, batch.targets
        assert labels is not None
        drawing, mixing, making, judging, again = jax.random.split(key, 5)
        made = self._made(drawing, labels)
        fake, state = model.apply(*variables, made, train=train, key=making)
        params = variables.params

        def judged(params: Any, inputs: Array, key: Key[Array, ""]) -> tuple[Scores, Any]:
            return model.apply(params, state, Shown(inputs, labels), train=train, key=key)

        def slope(inputs: Array) -> Array:
            return jax.grad(lambda x: judged(params, x, judging)[0].sum())(inputs)

        real, state_after = judged(params, x, judging)
        held = jax.lax.stop_gradient(fake)
        penalty = jnp.zeros_like(real)
        if self.penalty and self.contest == "wasserstein":
            shape = (len(x), *(1,) * (x.ndim - 1))
            share = jax.random.uniform(mixing, shape, x.dtype)
            norms = jnp.sqrt(_squares(slope(share * x + (1 - share) * held)) + 1e-12)
            penalty = jnp.square(norms - 1)
        elif self.penalty:
            penalty = _squares(slope(x)) / 2
        fooled = judged(jax.lax.stop_gradient(params), fake, again)[0]
        return Contested(real, judged(params, held, again)[0], fooled, penalty), state_after

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The score, as every task has it and under its own name, and its log-probability."""
        own = by_query("discriminator_score", self.confidence, access="white-box")
        return (*super().signals, own)

    def blind_losses(
        self, model: Any, variables: Any, size: int, key: Key[Array, ""]
    ) -> Float[Array, " size"]:
        """The generator's losses: of noise and labels that are drawn here, and of no example.

        Args:
            model: the `Model`.
            variables: its parameters and state.
            size: how many losses.
            key: what all randomness of them derives from.
        """
        drawing, classes, making, judging = jax.random.split(key, 4)
        labels = jax.random.randint(classes, (size,), 0, self.num_classes)
        made = self._made(drawing, labels)
        fake, state = model.apply(*variables, made, train=True, key=making)
        params = jax.lax.stop_gradient(variables.params)
        shown = Shown(fake, labels)
        return self._as_real(model.apply(params, state, shown, train=True, key=judging)[0])

    def losses(self, outputs: Contested | Verdict, batch: Batch) -> Float[Array, " batch"]:
        """The sum of both players' losses; in eval mode the discriminator's on the example."""
        if isinstance(outputs, Verdict):
            return self._as_real(outputs.score)
        of_fake = outputs.fake
        if self.contest == "non-saturating":
            of_fake = jax.nn.softplus(outputs.fake)
        own = self._as_real(outputs.real) + of_fake + self.penalty * outputs.penalty
        return own + self._as_real(outputs.fooled)

    def confidence(self, answers: Verdict, targets: Any) -> Float[Array, " batch"]:
        """The discriminator's score."""
        return answers.score

    def log_prob(self, answers: Verdict, targets: Any) -> Float[Array, " batch"]:
        """Log σ of the discriminator's score."""
        return jax.nn.log_sigmoid(answers.score)

    def utility(self, answers: Verdict, targets: Any) -> Float[Array, " batch"]:
        """The distance to the nearest made-up example."""
        return answers.distance

    def teaching(self, outputs: Contested | Verdict) -> Any:
        """Refuses: the outputs of a GAN do not teach a student.

        Raises:
            ValueError: always.
        """
        raise Refused("a GAN does not teach a student: its outputs are scores, no examples")

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses data without these classes, or with inputs out of range, and other models.

        Raises:
            ValueError: saying what does not fit.
        """
        if data.num_classes != self.num_classes:
            raise Refused(
                f"{data.name} has {data.num_classes or 'no'} classes, and the GAN was built for "
                f"{self.num_classes}: set gan(num_classes=...)"
            )
        if data.vocabulary is not None:
            raise Refused(f"{data.name} has a vocabulary, and a GAN is of numbers: give floats")
        self.check_inputs(data)
        if not isinstance(outputs, Verdict) or len(outputs.score.shape) != 1:
            raise Refused("the discriminator must return one score an example, shape (batch,)")

    def _made(self, key: Key[Array, ""], labels: Int[Array, " batch"]) -> Drawn:
        return Drawn(jax.random.normal(key, (len(labels), self.latent)), labels)

    def _as_real(self, score: Scores) -> Scores:
        """The loss of what shall be taken for real: by the discriminator, and by the generator."""
        return -score if self.contest == "wasserstein" else jax.nn.softplus(-score)

    def _verdict(self, model: Any, variables: Any, batch: Batch) -> Verdict:
        labels = jnp.arange(self.samples) % self.num_classes
        made = self._made(jax.random.key(0), labels)
        samples, _ = model.apply(*variables, made, train=False, key=None)
        # Without targets only shapes are looked at.
        seen = jnp.zeros(batch.size, int) if batch.targets is None else batch.targets
        score, _ = model.apply(*variables, Shown(batch.inputs, seen), train=False, key=None)
        if self.contest == "wasserstein":
            of_samples = Shown(samples, labels)
            score -= model.apply(*variables, of_samples, train=False, key=None)[0].mean()
        return Verdict(score, nearest(batch.inputs, samples))


def _squares(slope: Array) -> Scores:
    return jnp.square(slope).reshape(len(slope), -1).sum(axis=1)
