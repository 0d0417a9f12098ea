from hardware.cpu import (
    Cpu,
    parse_cpu_list,
    parse_cpuinfo,
    performance_parts,
    windows_features,
)

X86 = """\
processor\t: 0
model name\t: Intel(R) Core(TM)  i7-8550U CPU @ 1.80GHz
flags\t\t: fpu sse4_2 avx avx2 fma f16c bmi2 avx_vnni

processor\t: 1
model name\t: Intel(R) Core(TM)  i7-8550U CPU @ 1.80GHz
flags\t\t: fpu sse4_2 avx avx2 fma f16c bmi2
"""

ARM = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 atomics asimdhp asimddp
CPU implementer\t: 0x41
"""


def test_the_name_is_read_with_single_spaces() -> None:
    assert parse_cpuinfo(X86).name == "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz"


def test_a_feature_counts_only_where_every_core_has_it() -> None:
    features = parse_cpuinfo(X86).features
    assert "avx2" in features
    assert "avx_vnni" not in features


def test_arm_lists_features_and_tells_no_name() -> None:
    cpu = parse_cpuinfo(ARM)
    assert cpu.name is None
    assert {"asimd", "asimddp"} <= cpu.features


def test_arm_cores_are_named_by_their_parts() -> None:
    one = ARM + "CPU part\t: 0xd08\n"
    assert parse_cpuinfo(one).name == "Cortex-A72"
    mixed = one + "CPU part\t: 0xd05\nCPU part\t: 0xd05\n"
    assert parse_cpuinfo(mixed).name == "1 Cortex-A72 + 2 Cortex-A55"
    assert parse_cpuinfo(ARM + "CPU part\t: 0xfff\n").name == "ARM part 0xfff"


def test_small_cores_are_told_from_fast_ones() -> None:
    assert performance_parts(["Cortex-A55", "Cortex-A55", "Cortex-A76"]) == 1
    assert performance_parts(["Cortex-A55", "Cortex-A55"]) is None
    assert performance_parts(["Cortex-A725", "Cortex-X925"]) is None
    assert performance_parts([]) is None


def test_the_kernels_lists_are_read() -> None:
    assert parse_cpu_list("0-2,7\n") == [0, 1, 2, 7]
    assert parse_cpu_list("") == []
    assert parse_cpu_list("x-3,,4") == [4]


def test_an_odd_text_gives_nothing() -> None:
    assert parse_cpuinfo("nonsense\n:::\n") == Cpu(None, frozenset())


def test_windows_numbers_become_cpuinfo_names() -> None:
    assert windows_features([38, 40]) == {"sse4_2", "avx2", "fma", "f16c", "bmi2"}
    assert windows_features([]) == frozenset()
