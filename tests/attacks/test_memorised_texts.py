"""Models that memorise texts and learn nothing else: they never saw an altered member."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.data import Arrays, Bytes, Dataset
from pptp_jax.models import Model, Variables
from pptp_jax.signals import SignalRequest, lowered_signal, neighbour_signal, prefixed_signals
from pptp_jax.tasks import Language

pytestmark = pytest.mark.usefixtures("compile_in_haste")

LENGTH, MARK = 10, 256
TEXTS = [f"{letter}o {number} Be" for number, letter in enumerate("ABCDEFGH")]
FOLLOWING = np.array([[*text.encode(), *[MARK] * LENGTH][:LENGTH] for text in TEXTS])
SEEN = np.concatenate([np.full((len(TEXTS), 1), MARK), FOLLOWING[:, :-1]], axis=1)
# Of the last two no model knows anything.
MEMBERSHIP = np.array([[True, False] * 3 + [False] * 2, [False, True] * 3 + [False] * 2])


def apply(params, state, x, *, train, key):
    """What follows in the texts that begin as this one; all tokens alike where none does."""
    seen, following = params["seen"], params["following"]
    longer = x.shape[1] - seen.shape[1]
    same = x[:, None, : seen.shape[1]] == seen[None]
    begins = jnp.cumprod(same.astype(jnp.int32), axis=-1).astype(jnp.float32)
    votes = jnp.einsum("bkt,ktv->btv", begins, jax.nn.one_hot(following, 257))
    return jnp.pad(8 * votes, ((0, 0), (0, max(longer, 0)), (0, 0)))[:, : x.shape[1]], state


def known(rows: np.ndarray) -> Variables:
    own = {"seen": jnp.asarray(SEEN[rows]), "following": jnp.asarray(FOLLOWING[rows])}
    return Variables(own, {})


MODEL = Model(init=lambda key, x: known(np.arange(3)), apply=apply, task=Language())


@pytest.mark.parametrize("name", ["lowercase", "neighbourhood", "recall"])
def test_members_alone_lose_by_another_form(name: str) -> None:
    data = Dataset("texts", SEEN, FOLLOWING, np.arange(len(TEXTS)), None, vocabulary=257)
    fleet = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *(known(np.flatnonzero(row)) for row in MEMBERSHIP)
    )
    arrays = Arrays.of(data, reference=(6, 7))
    rows = jnp.arange(len(TEXTS))
    request = SignalRequest(MODEL, fleet, (0, 1), arrays, rows, jax.random.key(0))
    taken = {
        "lowercase": (lowered_signal(Bytes()),),
        "neighbourhood": (neighbour_signal(neighbours=4, share=0.3),),
        "recall": prefixed_signals(prefixes=2),
    }[name]
    outputs = jax.vmap(lambda own: apply(own.params, {}, SEEN, train=False, key=None)[0])(fleet)
    log_p = jax.vmap(lambda one: Language().log_prob(one, jnp.asarray(FOLLOWING)))(outputs)
    signals = {signal.name: np.asarray(signal.take(request)) for signal in taken}
    held = Evidence.leave_one_out({**signals, "log_prob": np.asarray(log_p)}, MEMBERSHIP)
    scores = ATTACKS[name](held)
    assert scores[MEMBERSHIP].min() > scores[~MEMBERSHIP].max() + 0.05
