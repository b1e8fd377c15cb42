#!/bin/bash
# Names the program to run, a word a line: alignment of two sequences of nw_length letters, gap penalty 10.
printf '%s\n' "$DEFFE_CONFIG_DIR/kernels/nw.riscv" "$nw_length" 10 > program
