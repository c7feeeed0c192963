"""Secrets in text: what LoRA memorises with and without DP-SGD, by repetitions.

Command: `pptp canaries experiments/audit_secrets.py` (no download).

A small decoder learns Python's documentation, from half of its paragraphs, which count as public.
Adapters of low rank then learn other paragraphs, among which secrets stand: "the secret number abcd
is 3 1 4 1 5 9", once, twice, four or eight times. Each is in a run by a fair coin. The base is
trained when this file is first run, and kept in `runs/audit_secrets_base.npz`.

Result (docs/bounds.md): without noise exposure rises from 1.5 bits for absent secrets to 14 for
those that stand eight times; under DP-SGD with σ = 0.4 to 5, at nearly the same utility. In no run
is a bound above the accounted ε. Cost: about five minutes of one core, trained in parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pptp_jax.audit import TextCanaryAudit
from pptp_jax.data import Arrays, Dataset, Topics
from pptp_jax.models import gpt, lora, save_variables, starting_from
from pptp_jax.training import Poisson, Private, dp_sgd, make_train, undefended

LENGTH = 64
BASE = Path("runs/audit_secrets_base.npz")
OPTIMIZER = optax.adamw(3e-3)


@dataclass(frozen=True)
class Half:
    """Every second paragraph of Python's documentation.

    Attributes:
        public: whether it is the half that the base learns from.
    """

    public: bool

    def load(self, select: Callable[[int], np.ndarray] = np.arange) -> Dataset:
        """Reads the paragraphs."""

        def half(number: int) -> np.ndarray:
            rows = np.arange(number)[0 if self.public else 1 :: 2]
            return rows[select(len(rows))]

        return Topics(length=LENGTH).load(half)


plain = gpt(width=64, depth=2, heads=4, context=LENGTH)
if not BASE.exists():
    public = Arrays.of(Half(public=True).load())
    train = make_train(plain, undefended(20), OPTIMIZER, batch_size=32)
    variables, _ = jax.jit(train)(jax.random.key(0), public, jnp.arange(public.examples))
    BASE.parent.mkdir(exist_ok=True)
    save_variables(BASE, variables)

audit = TextCanaryAudit(
    name="audit_secrets",
    data=Half(public=False),
    model=lora(
        starting_from(plain, BASE),
        rank=8,
        x=jax.ShapeDtypeStruct((1, LENGTH), jnp.int32),
        public=True,
    ),
    recipes=(
        undefended(20),
        dp_sgd(Private(noise_multiplier=0.4), epochs=20, batches=Poisson()),
    ),
    repetitions=(1, 2, 4, 8),
    canaries=(100, 10, 10, 10),
    fillings=64,
    examples=300,
    held_out=100,
    runs=8,
    optimizer=OPTIMIZER,
    batch_size=32,
)
