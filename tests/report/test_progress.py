"""The bar: models, epochs, loss and time left on a terminal; nothing elsewhere."""

import io

import pytest
from rich.console import Console

from pptp_jax.objectives import RelaxLoss
from pptp_jax.report.progress import progress_bar
from pptp_jax.training import Progress, early_stopped, undefended, whole_network

RECIPES = undefended(10), early_stopped(5)


def shown(terminal: bool, width: int = 160) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, color_system=None, width=width)
    with progress_bar(RECIPES, 4, console) as told:
        told(RECIPES[1], Progress(models=2, training=2, epoch=3, loss=0.5))
    return text.getvalue()


def test_a_terminal_sees_models_epochs_loss_and_time() -> None:
    text = shown(terminal=True)
    assert "early_stopped_5: models 4/4, loss 0.500" in text
    # 40 model epochs of the first recipe, 2 models of 5 epochs and 2 of 3 of the second.
    assert "60/60 model epochs" in text
    assert "0:00:0" in text


@pytest.mark.parametrize(("width", "name"), [(80, "whole_network_10…"), (100, "relaxloss_0.2")])
def test_a_narrow_terminal_shortens_the_name_alone(width: int, name: str) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, color_system=None, width=width)
    recipe = whole_network(RelaxLoss(alpha=0.2), 1_000)
    with progress_bar([recipe], 256, console) as told:
        told(recipe, Progress(models=128, training=128, epoch=500, loss=12.5))
    for part in (f"{name}: models 256/256, loss 12.500", "256000/256000 0:00:0"):
        assert part in text.getvalue()


def test_elsewhere_nothing_is_written() -> None:
    assert shown(terminal=False) == ""


def test_the_bar_counts_what_is_done() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, color_system=None, width=160)
    try:
        with progress_bar(RECIPES, 4, console) as told:
            told(RECIPES[1], Progress(models=2, training=2, epoch=3, loss=0.5))
            raise InterruptedError
    except InterruptedError:
        pass
    assert "56/60 model epochs" in text.getvalue()
