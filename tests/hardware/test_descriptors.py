"""How many files may be open: raised where the system lets it, never lowered."""

import subprocess
import sys

import pytest

from hardware.descriptors import raised

UNLIMITED = -1


@pytest.mark.parametrize(
    ("soft", "hard", "most"),
    [
        (1024, 1 << 20, 4096),
        (256, UNLIMITED, 4096),
        (1024, 2048, 2048),
        (1024, 1024, 1024),
        (4096, 4096, 4096),
        (8192, 1 << 20, 8192),
        (UNLIMITED, UNLIMITED, UNLIMITED),
    ],
)
def test_the_soft_limit_becomes_what_is_wanted(soft: int, hard: int, most: int) -> None:
    assert raised(soft, hard, 4096, unlimited=UNLIMITED) == most


def test_a_process_raises_its_own() -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    program = (
        "import resource; from hardware.descriptors import allow_descriptors;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300));"
        "allow_descriptors(200); print(*resource.getrlimit(resource.RLIMIT_NOFILE));"
        "allow_descriptors(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 300
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.split() == [b"200", b"300", b"300", b"300"]
