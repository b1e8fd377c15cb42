#!/bin/bash
# Names the program to run, a word a line: k-means on kmeans_objects objects, 2 iterations.
printf '%s\n' "$DEFFE_CONFIG_DIR/kernels/kmeans.riscv" "$kmeans_objects" 2 > program
