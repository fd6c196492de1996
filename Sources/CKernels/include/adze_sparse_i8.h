// The 8-bit product with sparse weights: part of adze_kernels.h.
#ifndef ADZE_KERNELS_H
#include "adze_kernels.h"
#elif !defined(ADZE_SPARSE_I8_H)
#define ADZE_SPARSE_I8_H

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

/// gemm_sparse_i8 is gemm_i8 with B packed by pack_b_sparse_i8: the same struct, the same results to the bit, panels of
/// ADZE_SPARSE_PANEL columns. What is zero (of uint8 B: 128) is not stored. Any pattern: unstructured, 2:4, blocks.
///
/// Packs all of B, element (k, n) at b[k * k_stride + n * n_stride]. With a null `packed` nothing is written. Returns the
/// bytes that it takes (its start aligned to 8), or 0 when k exceeds ADZE_SPARSE_I8_DEPTH. The caller has checked that
/// 8 (k + 64) (n + 64) fits.
typedef ptrdiff_t adze_pack_b_sparse_i8_fn(
  const void *b, bool b_signed, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n,
  void *_Nullable packed);

enum { ADZE_SPARSE_I8_DEPTH = 65520 };

/// gemm_sparse_rows_i8: the same for B packed by pack_b_sparse_rows_i8, vectorised over rows, so best where 16 rows (NEON), 32
/// (AVX2) or 64 (AVX-512) come together. `scratch` is this thread's alone: adze_gemm_sparse_scratch_count floats.
typedef void adze_gemm_sparse_i8_fn(
  const adze_gemm_i8 *gemm, float *_Nullable scratch, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
