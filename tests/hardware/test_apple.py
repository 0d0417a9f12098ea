from hardware import apple

M2 = """\
hw.memsize: 17179869184
hw.optional.arm64: 1
hw.optional.neon: 1
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 0
machdep.cpu.brand_string: Apple M2
"""

INTEL = """\
hw.memsize: 8589934592
hw.optional.avx2_0: 1
hw.optional.fma: 1
hw.optional.avx512f: 0
machdep.cpu.brand_string: Intel(R) Core(TM) i5-8210Y CPU @ 1.60GHz
"""


def test_apple_silicon_has_one_gpu_in_the_machines_memory() -> None:
    values = apple.parse_sysctl(M2)
    accelerator = apple.accelerator(values)
    assert accelerator is not None
    assert accelerator.kind == "metal"
    assert accelerator.unified
    assert accelerator.memory_total_bytes == 16 * 1024**3
    assert apple.cpu(values) == apple.Cpu("Apple M2", frozenset({"asimd", "asimddp"}))


def test_an_intel_machine_has_none() -> None:
    values = apple.parse_sysctl(INTEL)
    assert apple.accelerator(values) is None
    assert apple.cpu(values).features == {"avx2", "fma"}


def test_an_odd_text_gives_nothing() -> None:
    assert apple.accelerator(apple.parse_sysctl("unknown oid 'hw'\n")) is None
    assert apple.cpu({}).name is None
