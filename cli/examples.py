"""Examples at the end of a command's help.

Must not know the commands.
"""


def examples(*lines: str) -> str:
    """Return a paragraph that click leaves as it stands."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
