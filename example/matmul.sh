#!/bin/bash
# Names the program to run, a word a line: the product of two matrices of matmul_size rows.
printf '%s\n' "$DEFFE_CONFIG_DIR/kernels/matmul.riscv" "$matmul_size" > program
