// Needleman-Wunsch alignment of two random sequences: nw LENGTH PENALTY (length at most 512). Returns a checksum.
#include "start.h"

#define M 512

static int sc[(M + 1) * (M + 1)];
static unsigned char s1[M], s2[M];
static int blosum[24][24];

int kernel(long argc, char **argv) {
  long n = size_arg(argc, argv, 1, 64, M);
  int pen = (int)arg(argc, argv, 2, 10);
  long w = n + 1;
  for (int i = 0; i < 24; i++)
    for (int j = 0; j < 24; j++) blosum[i][j] = (int)(rng() % 15) - 5;
  for (long i = 0; i < n; i++) {
    s1[i] = rng() % 24;
    s2[i] = rng() % 24;
  }
  for (long i = 0; i <= n; i++) {
    sc[i] = -(int)i * pen;
    sc[i * w] = -(int)i * pen;
  }
  for (long i = 1; i <= n; i++)
    for (long j = 1; j <= n; j++) {
      int d = sc[(i - 1) * w + j - 1] + blosum[s1[i - 1]][s2[j - 1]];
      int u = sc[(i - 1) * w + j] - pen, l = sc[i * w + j - 1] - pen;
      int m = d > u ? d : u;
      sc[i * w + j] = m > l ? m : l;
    }
  long i = n, j = n, steps = 0;
  while (i && j) {
    int v = sc[i * w + j];
    if (v == sc[(i - 1) * w + j - 1] + blosum[s1[i - 1]][s2[j - 1]]) {
      i--;
      j--;
    } else if (v == sc[(i - 1) * w + j] - pen) {
      i--;
    } else {
      j--;
    }
    steps++;
  }
  return (int)(steps & 127);
}
