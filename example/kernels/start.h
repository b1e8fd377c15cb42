// Start of a program without C library: arguments from the initial stack, end through ecall, and random numbers.
#include <stddef.h>
#include <stdint.h>

int kernel(long argc, char **argv);

__attribute__((noreturn)) static inline void sys_exit(long code) {
  register long a0 __asm__("a0") = code;
  register long a7 __asm__("a7") = 93;
  __asm__ volatile("ecall" ::"r"(a0), "r"(a7));
  __builtin_unreachable();
}

__attribute__((naked)) void _start(void) {
  __asm__ volatile(
      ".option push\n"
      ".option norelax\n"
      "la gp, __global_pointer$\n"
      ".option pop\n"
      "mv a0, sp\n"
      "andi sp, sp, -16\n"
      "call start_c\n");
}

void start_c(long *sp) {
  long argc = sp[0];
  char **argv = (char **)(sp + 1);
  sys_exit(kernel(argc, argv));
}

// The i-th argument as a number, or its default.
static long arg(long argc, char **argv, int i, long def) {
  if (i >= argc) return def;
  long v = 0;
  for (char *p = argv[i]; *p >= '0' && *p <= '9'; p++) v = v * 10 + (*p - '0');
  return v;
}

// Xorshift: the same inputs on every machine.
static uint64_t rng_s = 88172645463325252ull;

static inline uint32_t rng(void) {
  rng_s ^= rng_s << 13;
  rng_s ^= rng_s >> 7;
  rng_s ^= rng_s << 17;
  return (uint32_t)(rng_s >> 16);
}

// The compiler may call these for loops that fill or copy.
void *memset(void *d, int c, size_t n) {
  char *p = d;
  while (n--) *p++ = c;
  return d;
}

void *memcpy(void *d, const void *s, size_t n) {
  char *p = d;
  const char *q = s;
  while (n--) *p++ = *q++;
  return d;
}
