#!/bin/sh
# Runs the two-parameter case in a folder of its own and compares its results with the expected ones, whatever their
# order. Usage: sh run_deffe.sh [OPTIONS OF run_deffe]; exit status 0 when they agree.
set -eu
cd "$(dirname "$0")"
rm -rf explore_two_parameters
mkdir explore_two_parameters
cd explore_two_parameters
python3 ../../framework/run_deffe.py -config ../config_two_parameters.json -no-slurm "$@"

# The parameters and costs of every evaluated point; what depends on the machine is left out.
cut -d, -f1-5 deffe_evaluation.csv | tr -d ' ' | LC_ALL=C sort > found.csv
if diff ../expected_two_parameters.csv found.csv; then
    echo "two parameters: all $(($(wc -l < found.csv) - 1)) points as expected"
else
    echo "two parameters: the results differ (< expected, > found)" >&2
    exit 1
fi
