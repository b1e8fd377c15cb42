#!/bin/bash
# Reads the costs from the log of the evaluation: a line a cost, in the order of "costs".
awk '$1 == "cycles" { cycles = $2 } $1 == "area" { area = $2 } END { print cycles; print area }' evaluate.log > results.out
