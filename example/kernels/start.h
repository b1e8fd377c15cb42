// Start of a program without C library: its arguments, its end, and random numbers.
#include <stddef.h>
#include <stdint.h>

int kernel(long argc, char **argv);

// The system call exit with its one argument, and where the kernel enters a new program: the stack holds argc and argv.
#if defined(__riscv)
#define EXIT(code)                                   \
  register long a0 __asm__("a0") = code;             \
  register long a7 __asm__("a7") = 93;               \
  __asm__ volatile("ecall" ::"r"(a0), "r"(a7))
__asm__(
    ".globl _start\n_start:\n"
    ".option push\n"
    ".option norelax\n"
    "la gp, __global_pointer$\n"
    ".option pop\n"
    "mv a0, sp\n"
    "andi sp, sp, -16\n"
    "call start_c\n");
#elif defined(__x86_64__)
#define EXIT(code) __asm__ volatile("syscall" ::"a"(60L), "D"(code))
__asm__(
    ".globl _start\n_start:\n"
    "xor %ebp, %ebp\n"
    "mov %rsp, %rdi\n"
    "and $-16, %rsp\n"
    "call start_c\n");
#elif defined(__aarch64__)
#define EXIT(code)                                   \
  register long x0 __asm__("x0") = code;             \
  register long x8 __asm__("x8") = 93;               \
  __asm__ volatile("svc #0" ::"r"(x0), "r"(x8))
__asm__(
    ".globl _start\n_start:\n"
    "mov x0, sp\n"
    "bl start_c\n");
#else
#error "start.h knows riscv, x86_64 and aarch64"
#endif

__attribute__((noreturn)) static inline void sys_exit(long code) {
  EXIT(code);
  __builtin_unreachable();
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

// The i-th argument as a size from 1 to most; another one ends the program with exit code 255.
static long size_arg(long argc, char **argv, int i, long def, long most) {
  long n = arg(argc, argv, i, def);
  if (n < 1 || n > most) sys_exit(255);
  return n;
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
