// Product of two dense matrices of floats: matmul SIZE (at most 128). Returns a checksum.
#include "start.h"

#define M 128

static float a[M * M], b[M * M], c[M * M];

int kernel(long argc, char **argv) {
  long n = size_arg(argc, argv, 1, 32, M);
  for (long i = 0; i < n * n; i++) {
    a[i] = (float)(rng() & 255);
    b[i] = (float)(rng() & 255);
  }
  for (long i = 0; i < n; i++)
    for (long j = 0; j < n; j++) {
      float s = 0;
      for (long k = 0; k < n; k++) s += a[i * n + k] * b[k * n + j];
      c[i * n + j] = s;
    }
  return ((int)c[n]) & 127;
}
