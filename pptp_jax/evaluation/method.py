"""The name of a method, without its strengths and epochs."""

from pptp_jax.regions import region_name
from pptp_jax.training import Recipe

# Plain training, stopped wherever one likes: the control that every method has to beat.
CONTROL = "early stopping"
# The hull of all methods that protect no region: what one that protects a region has to beat.
RIVALS = "tuned rivals"
_PLAIN = ("undefended", "early_stopped", "annealed")


def method(recipe: Recipe) -> str:
    """The method that recipes share if they differ in strengths and epochs alone.

    Examples:
        >>> from pptp_jax.training import annealed, early_stopped, freeze
        >>> method(early_stopped(3)), method(annealed(3))
        ('early stopping', 'early stopping')
        >>> method(freeze("shallow", after=1, more=8)), method(annealed(3, region="shallow"))
        ('freeze shallow', 'freeze at anneal shallow')
    """
    region = None if recipe.region is None else region_name(recipe.region)
    return method_name(recipe.name, region, recipe.defence)


def method_name(name: str, region: str | None, defence: str) -> str:
    """The same from the texts in stored results.

    Args:
        name: of the recipe.
        region: its name; None without one.
        defence: the defence objective's name.
    """
    if name in _PLAIN:
        return CONTROL
    parts = [name.replace("_", " ")]
    if region is not None:
        parts.append(region)
    if defence != "none":
        parts.append(f"({defence})")
    return " ".join(parts)
