"""Format a command line."""

import shlex


def typed(*arguments: object, **options: object) -> str:
    """A command as it is typed; an option that is True is a flag."""
    words = ["pptp", *map(str, arguments)]
    for option, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                words += [f"--{option}"] if one is True else [f"--{option}", str(one)]
    return shlex.join(words)
