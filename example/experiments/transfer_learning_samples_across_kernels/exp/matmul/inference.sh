#!/bin/sh
# Predicts with the network that run.sh left: 20 known results, then all of them.
set -eu
cd -- "$(dirname -- "$0")"
DEFFE_DIR=${DEFFE_DIR:-$(cd ../../../../.. && pwd)}
[ -e matmul.hdf5 ] || { echo "inference.sh: matmul.hdf5 is not there; run.sh makes it" >&2; exit 1; }

# 20 of the known results: the knobs, and cpu_cycles to compare with.
{ head -n 1 ../../../../output_matmul_deffe.csv && tail -n 20 ../../../../output_matmul_deffe.csv; } |
    cut -d , -f 1-9 > test-input.csv

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -config "$DEFFE_DIR/example/config_matmul_tl_samples.json" \
    -input test-input.csv -icp matmul.hdf5 -output test-output.csv -inference-only

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -config "$DEFFE_DIR/example/config_matmul_tl_samples.json" \
    -icp matmul.hdf5 -input ../../../../output_matmul_deffe.csv \
    -output test-output-full.csv -inference-only
