#!/bin/sh
# k-means, all training points at once, logarithmic loss; EPOCHS=100 ./run.sh is a short run.
set -eu
cd -- "$(dirname -- "$0")"
DEFFE_DIR=${DEFFE_DIR:-$(cd ../../../../.. && pwd)}
rm -rf explore_kmeans checkpoints kmeans.hdf5 step*-indices.npy # of an earlier run

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -config "$DEFFE_DIR/example/config_kmeans.json" \
    -only-preloaded-data-exploration -epochs "${EPOCHS:-20000}" -batch-size 4096 \
    -full-exploration \
    -train-test-split 0.7 -validation-split 0.23 -loss custom_mean_abs_log_loss -plot-loss

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -model-extract-dir checkpoints \
    -config "$DEFFE_DIR/example/config_kmeans.json" \
    -only-preloaded-data-exploration -train-test-split 0.7 -validation-split 0.23 \
    -load-train-test -loss custom_mean_abs_exp_loss \
    -model-stats-output test-output-exploss.csv

# The last checkpoint has the weights that were best on the validation points.
ln -sfn "checkpoints/$(ls checkpoints | sort -V | tail -n 1)" kmeans.hdf5
