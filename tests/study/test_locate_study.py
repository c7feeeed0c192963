"""The command `pptp locate`, as a person uses it."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from pptp_jax.cli import main
from pptp_jax.locate import RiskMap

pytestmark = pytest.mark.usefixtures("compile_in_haste")

STUDY = """
from pptp_jax.data import Balanced, Digits, Quarters
from pptp_jax.models import Model, mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study import Study
from pptp_jax.training import early_stopped, split, undefended

study = Study(
    name="tiny", data=Digits(), model=mlp([8], num_classes=10), split=Balanced(models=6),
    examples=300, tuning=0.4, batch_size=20, resamples=20, seed=3,
    recipes=(early_stopped(5), undefended(2), split("stem", RelaxLoss(alpha=0.5), 4)),
)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "tiny.py"
    path.write_text(STUDY)
    return path


def pptp(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_a_map_is_printed_drawn_and_written_down(study: Path) -> None:
    out = study.parent / "out"
    result = pptp("locate", study, "--out", out, "--retrain", 0, "--budget", 0.25)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    record = json.loads((out / "risk_map.json").read_text(), parse_constant=pytest.fail)
    setting = record["setting"]
    # 120 of 300 examples are set aside for tuning, and a model has half of them as members.
    assert (setting["examples"], setting["members"], setting["models"]) == (120, 60, 6)
    assert (setting["epochs"], setting["early"], setting["retrain"]) == (2, 1, 0)
    assert (setting["defence"], setting["strength"]) == ("relaxloss", 0.5)
    assert (setting["seed"], setting["resamples"]) == (3, 20)
    assert record["auto"]["budget"] == 0.25 and record["auto"]["explanation"] in result.stdout
    risks = RiskMap.from_json(record)
    assert [risk.name for risk in risks.of_blocks] == ["stem", "head"]
    assert [block["parameters"] for block in record["blocks"]] == [64 * 8 + 8, 8 * 10 + 10]

    lines = result.stdout.splitlines()
    assert lines[0] == "tiny: 6 models of 60 members each, 2 epochs; defence relaxloss 0.5"
    [stem] = [line.split() for line in lines if line.strip().startswith("stem ")]
    change = record["blocks"][0]["changes"]["rewind"]
    assert stem[:3] == ["stem", "520", "rewind"]
    assert stem[3] == f"{change['accuracy']['value']:+.3f}"
    assert stem[7] == f"{change['auc']['loss']['value']:+.3f}"
    assert (out / "risk_map.txt").read_text().strip() in result.stdout
    with Image.open(out / "risk_map.png") as picture:
        assert picture.width > 1500
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 100
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock",
        "report.html",
        "report.json",
        "risk_map.json",
        "risk_map.png",
        "risk_map.txt",
    ]


@pytest.mark.parametrize(
    ("change", "args", "message"),
    [
        (("", ""), ["--uot", "x"], "No such option '--uot'."),
        (("", ""), ["--epochs", "1"], "epochs must be an integer of at least 2, got 1"),
        (("", ""), ["--epochs", "few"], "'few' is not a valid integer"),
        (("", ""), ["--retrain", "-1"], "retrain must be an integer of at least 0, got -1"),
        (("", ""), ["--budget", "-1"], "budget must be a finite number of at least 0, got -1.0"),
        (("", ""), ["--recipe", "spilt"], "'spilt' is unknown; did you mean 'split'?"),
        (("", ""), ["--data", "x.npz"], "they take no path: x.npz"),
        (("", ""), ["--out", "STUDY"], "is a file."),
        (("models=6", "models=4"), [], "at least 3 models trained with it"),
        (("Balanced(models=6)", "Quarters(1, 6)"), [], "needs the split Balanced(models=...)"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, change: tuple[str, str], args: list[str], message: str
) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(STUDY.replace(*change) if all(change) else STUDY)
    result = pptp("locate", path, *[path if arg == "STUDY" else arg for arg in args])
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert [line.startswith("Error: ") for line in result.output.splitlines()].count(True) == 1


def test_a_model_without_blocks(tmp_path: Path) -> None:
    path = tmp_path / "bare.py"
    path.write_text(
        STUDY.replace("\nstudy", "\nown = mlp([8], 10)\nstudy")
        .replace("model=mlp([8], num_classes=10)", "model=Model(own.init, own.apply)")
        .replace(', split("stem", RelaxLoss(alpha=0.5), 4)', "")
    )
    assert "this one has 0: give Model(..., blocks=...)" in pptp("locate", path).output


def test_missing_study() -> None:
    assert "STUDY is missing" in pptp("locate").output
    assert "none.py: there is no such file" in pptp("locate", "none.py").output


def test_a_denoiser_has_no_defence_but_its_own_loss(tmp_path: Path) -> None:
    path = tmp_path / "denoiser.py"
    path.write_text(
        "from pptp_jax.data import Balanced, Digits\n"
        "from pptp_jax.models import ddpm, denoising_mlp\n"
        "from pptp_jax.study import Study\n"
        "from pptp_jax.training import undefended\n"
        "network = denoising_mlp([8], num_classes=10, embedding=8)\n"
        "study = Study(name='denoiser', data=Digits(), split=Balanced(models=6),\n"
        "    model=ddpm(network, steps=10, shape=(8, 8, 1), timesteps=(5,), draws=1),\n"
        "    examples=40, batch_size=20, resamples=20, recipes=(undefended(2),))\n"
    )
    result = pptp("locate", path, "--out", tmp_path / "out", "--retrain", 0)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / "risk_map.json").read_text())
    assert record["setting"]["defence"] == "task_loss"
    assert [block["name"] for block in record["blocks"]] == ["embedding", "stem", "head"]
