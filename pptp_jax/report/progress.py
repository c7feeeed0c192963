"""The progress of a run on a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pptp_jax.fleets.spec import OnProgress
from pptp_jax.training import Progress as FleetProgress
from pptp_jax.training import Recipe

# From this width on there is room for long names, a long bar and its unit.
ROOMY = 130
# The columns beside the name on a narrow terminal, with the spaces between them.
OTHERS = 34


@contextmanager
def progress_bar(
    recipes: Sequence[Recipe], models: int, console: Console | None = None, *, shown: bool = True
) -> Iterator[OnProgress]:
    """A bar of all epochs of all models, with the fleet at work, its loss and the time left.

    Args:
        recipes: what is trained.
        models: how many models each recipe trains.
        console: where the bar is drawn; by default the standard error, if that is a terminal.
            Elsewhere nothing is written.
        shown: whether it is drawn.
    """
    console = console or Console(stderr=True)
    narrow = console.width < ROOMY
    unit = [] if narrow else [TextColumn("model epochs")]
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=10 if narrow else 40),
        MofNCompleteColumn(),
        *unit,
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        disable=not (shown and console.is_terminal),
    )
    epochs = [sum(int(phase.epochs) for phase in recipe.phases) for recipe in recipes]
    before = {recipe.slug: sum(epochs[:i]) * models for i, recipe in enumerate(recipes)}
    length = dict(zip(before, epochs, strict=True))
    with bar:
        task = bar.add_task("starting", total=sum(epochs) * models)

        def told(recipe: Recipe, now: FleetProgress) -> None:
            done = now.models * length[recipe.slug] + now.training * now.epoch
            state = f": models {now.models + now.training}/{models}, loss {now.loss:.3f}"
            name = recipe.slug
            if len(name) > (room := max(console.width - OTHERS - len(state), 4)):
                name = f"{name[: room - 1]}…"
            bar.update(task, completed=before[recipe.slug] + done, description=name + state)

        yield told
        bar.update(task, completed=bar.tasks[0].total)
