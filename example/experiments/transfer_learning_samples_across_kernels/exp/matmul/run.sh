#!/bin/sh
# Matrix multiplication in steps, from a network of k-means, exponential loss; EPOCHS=20 ./run.sh is a short run.
set -eu
cd -- "$(dirname -- "$0")"
DEFFE_DIR=${DEFFE_DIR:-$(cd ../../../../.. && pwd)}
rm -rf explore_matmul_tl_samples checkpoints matmul.hdf5 step*-indices.npy # of an earlier run

# Any checkpoint of k-means will do; unless there is one, that of the full exploration is taken.
if [ ! -e ../../kmeans.hdf5 ]; then
    [ -e ../../../full_explore/log/kmeans/kmeans.hdf5 ] || sh ../../../full_explore/log/kmeans/run.sh
    ln -sfn ../full_explore/log/kmeans/kmeans.hdf5 ../../kmeans.hdf5
fi

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -config "$DEFFE_DIR/example/config_matmul_tl_samples.json" -icp ../../kmeans.hdf5 \
    -only-preloaded-data-exploration -epochs "${EPOCHS:-1000}" -batch-size 256 \
    -train-test-split 1.0 -validation-split 0.23 -loss custom_mean_abs_exp_loss -plot-loss

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -model-extract-dir checkpoints \
    -config "$DEFFE_DIR/example/config_matmul.json" \
    -only-preloaded-data-exploration -train-test-split 1.0 -validation-split 0.23 \
    -load-train-test -loss custom_mean_abs_exp_loss \
    -model-stats-output test-output-exploss.csv

python3 "$DEFFE_DIR/framework/run_deffe.py" \
    -model-extract-dir checkpoints \
    -config "$DEFFE_DIR/example/config_matmul.json" \
    -only-preloaded-data-exploration -train-test-split 1.0 -validation-split 0.23 \
    -load-train-test -loss custom_mean_abs_log_loss \
    -model-stats-output test-output-logloss.csv

# The last checkpoint has the weights that were best on the validation points.
ln -sfn "checkpoints/$(ls checkpoints | sort -V | tail -n 1)" matmul.hdf5
