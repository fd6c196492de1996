#include "include/adze_kernels.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

bool adze_set_flush_denormals(bool flushes) {
  // FTZ (bit 15) and DAZ (bit 6) of MXCSR.
  const unsigned mask = 0x8040, old = _mm_getcsr();
  _mm_setcsr(flushes ? old | mask : old & ~mask);
  return (old & mask) == mask;
}
#elif defined(__aarch64__)
bool adze_set_flush_denormals(bool flushes) {
  // FZ (bit 24) of FPCR.
  const uint64_t mask = 1u << 24;
  uint64_t old;
  __asm__ volatile("mrs %0, fpcr" : "=r"(old));
  const uint64_t new = flushes ? old | mask : old & ~mask;
  __asm__ volatile("msr fpcr, %0" : : "r"(new));
  return (old & mask) != 0;
}
#else
bool adze_set_flush_denormals(bool flushes) {
  (void)flushes;
  return false;
}
#endif
