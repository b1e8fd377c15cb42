#!/bin/sh
# Predicts with the network that run.sh left: 20 known results, then all of them.
set -eu
cd -- "$(dirname -- "$0")"
DEFFE_DIR=${DEFFE_DIR:-$(cd ../../../../.. && pwd)}
[ -e kmeans.hdf5 ] || { echo "inference.sh: kmeans.hdf5 is not there; run.sh makes it" >&2; exit 1; }

# 20 of the known results: the knobs, and cpu_cycles to compare with.
{ head -n 1 ../../../../output_kmeans_deffe.csv && tail -n 20 ../../../../output_kmeans_deffe.csv; } |
    cut -d , -f 1-9 > test-input.csv

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -config "$DEFFE_DIR/example/config_kmeans.json" \
    -input test-input.csv -icp kmeans.hdf5 -output test-output.csv -inference-only

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -config "$DEFFE_DIR/example/config_kmeans.json" \
    -icp kmeans.hdf5 -input ../../../../output_kmeans_deffe.csv \
    -output test-output-full.csv -inference-only
