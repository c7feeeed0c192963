"""`--set key=value` with whatever key and value a user may type."""

from pathlib import Path

import numpy as np
import pytest
from fuzzing import Case, cases, check_exit, contents, ending, pptp
from small_data import STUDY, arrays
from test_fuzz_study_files import STUDY as TEXT

from pptp_jax.storage.record import describe
from pptp_jax.study import Study, forecast, overridden
from pptp_jax.training import Probe, Strategy

KEYS = (
    *Study.__dataclass_fields__,
    *("split.models", "models", "shadows", "data.path", "path", "scale", "optimizer.learning_rate"),
    *("learning_rate", "momentum", "optimizer.schedule", "model.hidden", "model.num_classes"),
    *("model.dropout", "model.activation", "model.name", "dropout", "recipes.undefended.epochs"),
    *("recipes.freeze.epochs", "recipes.freeze_1+1_stem.region", "recipes.freeze.region"),
    *("recipes.freeze.name", "recipes..epochs", "recipes.", "recipes.epochs", "probes.noise_draws"),
    *(
        "noise_flips",
        "epsilons",
        "robustness.steps",
        "augmentation.shift",
        "queries.flip",
        "lambda",
    ),
    *(
        "",
        " ",
        ".",
        "..",
        "model.",
        ".models",
        "split.models.x",
        "name.x",
        "__class__",
        "data.load",
    ),
    *(
        "optimizer.__call__",
        "seed.real",
        "épochs",
        "batch-size",
        "BATCH_SIZE",
        "batch_size ",
        "a" * 300,
    ),
)
VALUES = (
    *("", " ", "0", "1", "2", "4", "6", "-1", "+3", " 8 ", "1_0", "٣", "0x10", "1e3", "8.0", "1,2"),
    *(
        "1, 2",
        ",",
        "1,",
        ",1",
        "1+2",
        "1+",
        "+",
        "1+-1",
        "0+0",
        "nan",
        "inf",
        "-inf",
        "1e-400",
        "1e999",
    ),
    *("true", "TRUE", "False", "none", "None", "loss", "loss,", "loss,lira_online", "LOSS", "stem"),
    *(
        "head",
        "not stem",
        "stem,head",
        "auto",
        "cosine",
        "mlp",
        "tanh",
        "x=y",
        "=",
        "==1",
        "'4'",
        '"4"',
    ),
    *(
        "9" * 30,
        "9" * 5000,
        "a\nb",
        "../../x",
        "/tmp/x",
        "[red]",
        "\\",
        "é",
        "🦊",
        "{}",
        "[1,2]",
        "None,1",
    ),
)


@cases("overrides")
@pytest.mark.usefixtures("no_probe")
def test_changes_are_made_or_refused(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = []
    for _ in range(case.several()):
        key, value = case.one(KEYS), case.one(VALUES)
        changes.append(f"{key}={value}" if case.chance(0.95) else key)
    if case.chance(0.4):
        _through_the_command(case, changes, tmp_path, monkeypatch)
        return
    with ending(case) as refusals:
        study = overridden(STUDY, changes)
        assert isinstance(study, Study)
        scan = Strategy(order="scan")
        assert forecast(study, scan, Probe(scan, {"scan": 1000.0}))["bytes"] > 0
        if len(changes) == 1:
            _only_that_has_changed(study, changes[0])
    assert not refusals or refusals[0].startswith("--set ") or len(refusals[0]) > 10


def _through_the_command(
    case: Case, changes: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    np.savez("data.npz", **arrays())
    Path("study.py").write_text(TEXT)
    old = contents(home)
    with ending(case):
        options = [part for change in changes for part in ("--set", change)]
        check_exit(pptp("run", "study.py", "--dry-run", *options))
        assert contents(home) == old, "a dry run writes nothing"


def _only_that_has_changed(study: Study, change: str) -> None:
    """No other field than the one that the key begins with, or that has it as a part."""
    key = change.partition("=")[0].strip()
    before, after = describe(STUDY), describe(study)
    changed = {name for name in before if before[name] != after[name]}
    homes = {name for name in before if key.partition(".")[0] == name}
    homes |= {n for n, part in before.items() if isinstance(part, dict) and key in part}
    assert changed <= homes, (changed, homes)
