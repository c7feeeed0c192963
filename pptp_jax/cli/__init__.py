"""The `pptp` command, one file a subcommand.

What is slow to import, JAX above all, is imported when a command needs it: `pptp --help` and the
shell's completion answer at once.
"""

from pptp_jax.cli.group import main

__all__ = ["main"]
