"""`experiments/emails.py` as far as the time allows: each recipe's bits per token and attacks."""

import os
from pathlib import Path

import numpy as np

from accelerator_steps.process import ROOT
from accelerator_steps.recorder import Recorder, Setting, Skip, needs
from accelerator_steps.small_llama import write_small_llama
from accelerator_steps.study import as_far_as_it_gets
from pptp_jax.study import Study, load_study, narrowed, overridden

STUDY = ROOT / "experiments" / "emails.py"
REHEARSED = ("alone_4_attention",)
IN_MINIATURE = ("models=2", "examples=16", "batch_size=4", "resamples=20", "recipes.alone.epochs=2")
WORDS = "the meeting about a new list of servers is moved to noon on friday thanks ann".split()


def chosen(setting: Setting) -> Study:
    """The study on the e-mails that were given; in miniature, with a tiny network, to rehearse."""
    needs("gguf", "tokenizers")
    if not setting.rehearse:
        if setting.emails is None:
            raise Skip("needs e-mails: give --emails DIR, as experiments/emails.py says")
        return narrowed(load_study(STUDY), setting.emails, ())
    setting.out.mkdir(parents=True, exist_ok=True)
    emails = setting.out / "e-mails"
    write_emails(emails, 40)
    os.environ["PPTP_SMOLLM2"] = str(write_small_llama(setting.out / "small.gguf"))
    study = narrowed(load_study(STUDY), emails, REHEARSED)
    return overridden(study, IN_MINIATURE)


def write_emails(folder: Path, count: int) -> None:
    """Made-up e-mails that differ."""
    draw = np.random.default_rng(0)
    (folder / "easy-ham-1").mkdir(parents=True, exist_ok=True)
    for i in range(count):
        text = " ".join(draw.choice(WORDS, 12))
        mail = f"Received: from nowhere\nSubject: {WORDS[i % len(WORDS)]} {i}\n\n{text}.\n"
        (folder / "easy-ham-1" / f"{i:05}.txt").write_text(mail)


def measure(show: Recorder, setting: Setting) -> None:
    """Runs the study; says so where the time ends first."""
    as_far_as_it_gets(
        show, chosen(setting), setting.out / "run" if setting.rehearse else setting.out
    )
