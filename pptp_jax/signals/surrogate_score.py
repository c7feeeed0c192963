"""What the discriminator of a surrogate GAN says, which has learned from a model's samples."""

from jaxtyping import Array, Float

from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Signal
from pptp_jax.validation import Refused


def _elsewhere(request: SignalRequest) -> Float[Array, "models examples"]:
    raise Refused("how surrogates learn is not set: keep pptp_jax.training.surrogate_signal(...)")


SURROGATE_SCORE = Signal(
    name="surrogate_score",
    axes=("models", "examples"),
    access="samples",
    take=_elsewhere,
)
