"""gem5 24 configuration: one RISC-V program in syscall emulation, private L1 caches, one L2, DDR4 memory.

A cache needs a power of two of sets: size, ways and line are powers of two, and size * 1024 >= ways * cacheline.
"""

import argparse
import sys

import m5
from m5.objects import (
    AddrRange,
    Cache,
    DDR4_2400_8x8,
    L2XBar,
    MemCtrl,
    Process,
    RiscvMinorCPU,
    RiscvO3CPU,
    RiscvTimingSimpleCPU,
    Root,
    SEWorkload,
    SrcClockDomain,
    System,
    SystemXBar,
    VoltageDomain,
)

CPUS = {"timing": RiscvTimingSimpleCPU, "minor": RiscvMinorCPU, "o3": RiscvO3CPU}
KNOBS = {
    "cacheline": "bytes",
    "l1d_size": "KiB",
    "l1d_ways": "ways",
    "l1i_size": "KiB",
    "l1i_ways": "ways",
    "l2_size": "KiB",
    "l2_ways": "ways",
}
FINISHED = ("exiting with last active thread context", "m5_exit instruction encountered")


class L1Cache(Cache):
    """A first-level cache; latencies in cycles."""

    tag_latency = 1
    data_latency = 1
    response_latency = 1
    mshrs = 4
    tgts_per_mshr = 20


class L2Cache(Cache):
    """The second-level cache; latencies in cycles."""

    tag_latency = 10
    data_latency = 10
    response_latency = 10
    mshrs = 20
    tgts_per_mshr = 12


def read_arguments():
    """The knobs, and the program with its arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, unit in KNOBS.items():
        parser.add_argument(f"--{name}", type=int, required=True, metavar=unit.upper())
    parser.add_argument(
        "--cpu", choices=CPUS, default="timing", help="in-order without a pipeline, in-order, out-of-order"
    )
    parser.add_argument("--clock", default="1GHz", help="of core and caches")
    parser.add_argument("--memory", type=int, default=64, metavar="MIB")
    parser.add_argument("--max_ticks", type=int, metavar="PICOSECONDS", help="where the simulation is stopped")
    parser.add_argument("program", help="a static RISC-V executable")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return parser.parse_args()


def connect_caches(system, knobs):
    """Put the L1 caches and the L2 between core and memory bus."""
    cpu = system.cpu
    system.membus = SystemXBar()
    system.l2bus = L2XBar()
    cpu.icache = L1Cache(size=f"{knobs.l1i_size}kB", assoc=knobs.l1i_ways)
    cpu.dcache = L1Cache(size=f"{knobs.l1d_size}kB", assoc=knobs.l1d_ways)
    cpu.icache.cpu_side = cpu.icache_port
    cpu.dcache.cpu_side = cpu.dcache_port
    cpu.icache.mem_side = system.l2bus.cpu_side_ports
    cpu.dcache.mem_side = system.l2bus.cpu_side_ports
    system.l2 = L2Cache(size=f"{knobs.l2_size}kB", assoc=knobs.l2_ways)
    system.l2.cpu_side = system.l2bus.mem_side_ports
    system.l2.mem_side = system.membus.cpu_side_ports


def make_system(knobs):
    """The whole system: core, caches, DDR4 memory, and the program as its workload."""
    system = System(cache_line_size=knobs.cacheline)
    system.clk_domain = SrcClockDomain(clock=knobs.clock, voltage_domain=VoltageDomain())
    system.mem_mode = "timing"
    system.mem_ranges = [AddrRange(f"{knobs.memory}MB")]
    system.cpu = CPUS[knobs.cpu]()
    connect_caches(system, knobs)
    system.cpu.createInterruptController()
    system.system_port = system.membus.cpu_side_ports
    system.mem_ctrl = MemCtrl(dram=DDR4_2400_8x8(range=system.mem_ranges[0]))
    system.mem_ctrl.port = system.membus.mem_side_ports
    system.workload = SEWorkload.init_compatible(knobs.program)
    system.cpu.workload = Process(cmd=[knobs.program, *knobs.arguments])
    system.cpu.createThreads()
    return system


def main():
    """Simulate to the end of the program; any other end is a failure."""
    knobs = read_arguments()
    Root(full_system=False, system=make_system(knobs))
    m5.instantiate()
    end = m5.simulate() if knobs.max_ticks is None else m5.simulate(knobs.max_ticks)
    sys.stdout.flush()
    # on lines of their own, whatever the program has printed
    print(f"\nexit {end.getCause()} {m5.curTick()}\ncode {end.getCode()}", flush=True)
    sys.exit(0 if end.getCause() in FINISHED else 1)


if __name__ == "__m5_main__":
    main()
