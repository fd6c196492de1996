// What every kernel source shares. Included first; no include guard is needed but for this file and the API.
#ifndef ADZE_SIMD_COMMON_H
#define ADZE_SIMD_COMMON_H
#include "../include/adze_kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

// Products and sums are fused where the code says so (v_fma) and nowhere else: results must not hang on the compiler.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__x86_64__)
#define ADZE_X86 1
#else
#define ADZE_X86 0
#endif
#if defined(__aarch64__)
#define ADZE_ARM 1
#else
#define ADZE_ARM 0
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
// A helper that a family of one instruction set may leave unused.
#define HELPER static inline __attribute__((always_inline, unused))

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

ALWAYS_INLINE ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
ALWAYS_INLINE ptrdiff_t most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

#endif
