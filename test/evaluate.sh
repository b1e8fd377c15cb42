#!/bin/bash
# Stands for a simulation: a larger cache with more ways takes fewer cycles and more area.
echo "app $app"
echo "cycles $((100000 / ($size * 10 + ${ways})))"
echo "area $((size * 64 + ways * 3))"
