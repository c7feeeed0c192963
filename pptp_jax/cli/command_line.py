"""A command as it is typed."""

import shlex


def typed(*arguments: object, **options: object) -> str:
    """A command as it is typed."""
    words = ["pptp", *map(str, arguments)]
    for option, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            words += [] if one is None else [f"--{option}", str(one)]
    return shlex.join(words)
