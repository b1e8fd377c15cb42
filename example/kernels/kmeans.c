// k-means clustering: kmeans OBJECTS ITERATIONS, 8 features an object, 5 clusters. Returns a checksum.
#include "start.h"

#define MAXN 4096
#define F 8
#define K 5

static float x[MAXN][F], c[K][F], acc[K][F];
static int lab[MAXN], cnt[K];

int kernel(long argc, char **argv) {
  long n = size_arg(argc, argv, 1, 256, MAXN);
  int it = (int)arg(argc, argv, 2, 2);
  for (long i = 0; i < n; i++)
    for (int f = 0; f < F; f++) x[i][f] = (float)(rng() & 1023) * (1.0f / 1024);
  for (int k = 0; k < K; k++)
    for (int f = 0; f < F; f++) c[k][f] = x[k * (n / K)][f];
  for (int t = 0; t < it; t++) {
    for (int k = 0; k < K; k++) {
      cnt[k] = 0;
      for (int f = 0; f < F; f++) acc[k][f] = 0;
    }
    for (long i = 0; i < n; i++) {
      int b = 0;
      float bd = 1e30f;
      for (int k = 0; k < K; k++) {
        float d = 0;
        for (int f = 0; f < F; f++) {
          float e = x[i][f] - c[k][f];
          d += e * e;
        }
        if (d < bd) {
          bd = d;
          b = k;
        }
      }
      lab[i] = b;
      cnt[b]++;
      for (int f = 0; f < F; f++) acc[b][f] += x[i][f];
    }
    for (int k = 0; k < K; k++)
      if (cnt[k])
        for (int f = 0; f < F; f++) c[k][f] = acc[k][f] / cnt[k];
  }
  return cnt[0] & 127;
}
