#!/bin/bash
# Simulates one design point with gem5. It runs in the point's own directory, after the command script of the kernel.
# gem5 is the program $GEM5, or a build below $gem5_dir, or one on the PATH.
set -eu

for gem5 in "${GEM5:-}" "${gem5_dir:-}"/build/RISCV/gem5.{fast,opt} gem5.fast gem5.opt gem5; do
    if command -v "$gem5" > /dev/null; then break; fi
    gem5=""
done
if [ -z "$gem5" ]; then
    echo "gem5 was not found: set GEM5 to its executable, or gem5_dir to a checkout with build/RISCV/gem5.fast" >&2
    exit 127
fi

mapfile -t program < program
if [ ! -x "${program[0]}" ]; then
    echo "${program[0]} is missing: run 'make' in $DEFFE_CONFIG_DIR/kernels" >&2
    exit 126
fi

"$gem5" -q -d . "$DEFFE_CONFIG_DIR/gem5/cache_se.py" --cacheline "$cacheline" \
    --l1d_size "$l1d_size" --l1d_ways "$l1d_ways" --l1i_size "$l1i_size" --l1i_ways "$l1i_ways" \
    --l2_size "$l2_size" --l2_ways "$l2_ways" "${program[@]}"
