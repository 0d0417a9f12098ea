"""How many files and connections this process may have open: more than shells allow at first."""

import logging
import sys

logger = logging.getLogger(__name__)

WANTED = 4096
"""Room for all doors and what they call; not more, for what reads a list of all of them."""


def allow_descriptors(wanted: int = WANTED) -> None:
    """Raise the soft limit to `wanted`, as far as the hard one lets it; never lower it."""
    if sys.platform == "win32":  # which has neither this limit nor the module
        return
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = raised(soft, hard, wanted, unlimited=resource.RLIM_INFINITY)
    if most == soft:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:  # macOS has a limit that it does not tell
        logger.warning("only %d files can be open at once: %s", soft, error)


def raised(soft: int, hard: int, wanted: int, *, unlimited: int) -> int:
    """The soft limit as it should be."""
    if soft == unlimited or soft >= wanted:
        return soft
    return wanted if hard == unlimited else max(soft, min(hard, wanted))
