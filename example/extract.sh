#!/bin/bash
# Reads the measured costs of one design point from gem5's statistics: a line a cost, in the order of "costs".
set -eu

for name in system.cpu.numCycles simInsts system.mem_ctrl.dram.rank0.totalEnergy; do
    awk -v name="$name" '$1 == name { value = $2 } END { if (value == "") exit 1; print value }' stats.txt ||
        { echo "stats.txt has no statistic $name" >&2; exit 1; }
done > results.out
