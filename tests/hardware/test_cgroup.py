import pytest

from hardware import cgroup

MIXED = """\
4:memory:/docker/ab
1:cpu,cpuacct:/docker/ab
0::/user.slice
"""


def test_each_controller_has_its_path() -> None:
    membership = cgroup.parse_membership(MIXED)
    assert membership["memory"] == "/docker/ab"
    assert membership["cpuacct"] == "/docker/ab"
    assert membership[""] == "/user.slice"


def test_ancestors_go_up_to_the_root() -> None:
    assert list(cgroup.ancestors("/a/b")) == ["a/b", "a", ""]
    assert list(cgroup.ancestors("/")) == [""]


def test_a_path_outside_of_the_namespace_stays_below_the_mount() -> None:
    assert list(cgroup.ancestors("/../../x")) == ["x", ""]


@pytest.mark.parametrize(
    ("text", "cores"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("200000", 2.0), ("", None), ("0 0", None)],
)
def test_cpu_max(text: str, cores: float | None) -> None:
    assert cgroup.parse_cpu_max(text) == cores


def test_version_1_writes_no_quota_as_minus_one() -> None:
    assert cgroup.parse_cfs("-1\n", "100000\n") is None
    assert cgroup.parse_cfs("50000\n", "100000\n") == 0.5


@pytest.mark.parametrize(
    ("text", "limit"),
    [("max\n", None), ("9223372036854771712\n", None), ("1073741824\n", 1 << 30), ("", None)],
)
def test_memory_limit(text: str, limit: int | None) -> None:
    assert cgroup.parse_memory_limit(text) == limit


def test_cached_files_do_not_count_as_in_use() -> None:
    assert cgroup.parse_memory_in_use("1000\n", "anon 1\ninactive_file 300\n") == 700
    assert cgroup.parse_memory_in_use("1000\n", "total_inactive_file 400\n") == 600
    assert cgroup.parse_memory_in_use("1000\n", "") == 1000
    assert cgroup.parse_memory_in_use("", "") is None
