"""The workspace and the sandboxes of the tools' own tests, for those that run real commands."""

from tests.tools.conftest import (  # noqa: F401 - fixtures, found by name
    bounds,
    confined,
    context,
    kept,
    outside,
    run,
    sandbox,
    shell,
    threads,
    workspace,
)
