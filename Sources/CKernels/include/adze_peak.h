// What a core can do at most, for the shares of its peak that benchmarks tell: part of adze_kernels.h.
#ifndef ADZE_KERNELS_H
#include "adze_kernels.h"
#elif !defined(ADZE_PEAK_H)
#define ADZE_PEAK_H

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

enum { ADZE_PEAK_COUNT = 192, ADZE_PEAK_DEPTH = 16 };

/// `rounds` times y[i] = y[i] * x + z, for ADZE_PEAK_COUNT elements that stay in registers: 2 ADZE_PEAK_COUNT operations
/// a round, as many at a time as the instruction set has. Fused where gemm_f32 fuses.
typedef void adze_peak_f32_fn(ptrdiff_t rounds, float x, float z, float *y);

/// `rounds` times y[i] += Σ_g Σ_j a[4 g + j] b[(g ADZE_PEAK_COUNT + i) 4 + j], g and j below 4: 2 ADZE_PEAK_COUNT
/// ADZE_PEAK_DEPTH operations a round by the fastest exact way of gemm_i8. Elements of b are within -16 … 16.
typedef void adze_peak_i8_fn(ptrdiff_t rounds, const uint8_t *a, const int8_t *b, int32_t *y);

/// The exclusive or of `count` words: no more than reading them.
typedef uint32_t adze_peak_read_fn(const float *x, ptrdiff_t count);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
