"""Does `pptp run experiments/digits.py` run here, and how long does it take?"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from accelerator_steps.recorder import Recorder, Setting, Skip, needs

STUDY = "experiments/digits.py"
# One recipe of two epochs on few models.
IN_MINIATURE = (
    *("--recipe", "early_stopped_2", "--strategy", "scan"),
    *("--set", "models=6", "--set", "examples=200", "--set", "resamples=20"),
)


def measure(show: Recorder, setting: Setting) -> None:
    """Runs the command as a user would, without its cache, and reads what it has written."""
    needs("click", "rich", "sklearn", "matplotlib", "jinja2")
    small = IN_MINIATURE if setting.rehearse else ()
    with tempfile.TemporaryDirectory() as out:
        code = (
            "from accelerator_steps.without_jaxtyping import stand_in; stand_in(); "
            "from pptp_jax.cli import main; main(prog_name='pptp')"
        )
        command = [sys.executable, "-c", code, "--no-cache", "run", STUDY, "--out", out, *small]
        begun = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        taken = time.monotonic() - begun
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise Skip(f"ended with status {done.returncode}; {said[-1] if said else ''}"[:300])
        print(done.stdout, flush=True)
        show(f"pptp run {STUDY}", taken, "s")
        results = json.loads((Path(out) / "results.json").read_text())
    for row in results["rows"]:
        for name in ("lira_online", "rmia_online"):
            auc = row["attacks"].get(name, {}).get("auc", {}).get("value")
            if auc is not None:
                show(f"pptp run {STUDY}, {row['slug']}: {name}, AUC", auc, "")
