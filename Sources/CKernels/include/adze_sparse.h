// Products with sparse weights: part of adze_kernels.h.
#ifndef ADZE_KERNELS_H
#include "adze_kernels.h"
#elif !defined(ADZE_SPARSE_H)
#define ADZE_SPARSE_H

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

/// C[m, n] = epilogue(A[m, k] W[k, n]), W sparse. Weights that are stored are multiplied, the others are not looked at: an
/// infinity or NaN in A meets only what is stored. Each element of C is one chain of fused multiply-adds over ascending k.
typedef struct adze_gemm_sparse_f32 {
  ptrdiff_t m, n, k;
  const float *a;  // columns are contiguous
  ptrdiff_t a_row_stride;
  const void *b_packed;  // by the pack function of the same kernel and table
  float *c;
  ptrdiff_t c_row_stride;
  adze_epilogue_f32 epilogue;
} adze_gemm_sparse_f32;

/// Computes rows [row_begin, row_end) of column panels [panel_begin, panel_end); every split gives the same bits.
/// gemm_sparse_f32: any pattern, panels of ADZE_SPARSE_PANEL columns; vectorised over rows, so best for 8 rows and more.
/// Stored are the weights that are not zero. `scratch` is this thread's alone: adze_gemm_sparse_scratch_count floats.
/// gemm_sparse_panel_f32: panels of ADZE_SPARSE_BLOCK columns; vectorised over columns. Stored are the rows of a panel in
/// which any weight is not zero: blocks of 1 x 16 (k x n). `scratch` is not used.
/// gemm_sparse_quads_f32: panels of ADZE_SPARSE_PANEL columns; vectorised over rows. Stored are the blocks of 1 x 4 (k x n,
/// aligned to 4 columns) in which any weight is not zero. `scratch` as for gemm_sparse_f32.
/// gemm_sparse_columns_f32: any pattern, panels of ADZE_SPARSE_PANEL columns; vectorised over columns, so best for few rows.
/// `scratch` is not used.
/// gemm_2of4_f32: at most two weights of every four along k (aligned) in each column, panels of ADZE_SPARSE_PANEL columns;
/// vectorised over columns. Where there are fewer, zeros are stored, and multiplied. `scratch` is not used.
typedef void adze_gemm_sparse_f32_fn(
  const adze_gemm_sparse_f32 *gemm, float *_Nullable scratch, ptrdiff_t row_begin, ptrdiff_t row_end,
  ptrdiff_t panel_begin, ptrdiff_t panel_end);

enum { ADZE_SPARSE_PANEL = 64, ADZE_SPARSE_BLOCK = 16 };

/// Packs all of B, element (k, n) at b[k * k_stride + n * n_stride]; NaN is not zero. With a null `packed` nothing is
/// written. Returns the bytes that it takes (its start aligned to 8), or 0 when the kernel does not take this pattern. The caller has checked that 16 (k + 64) (n + 64)
/// fits.
typedef ptrdiff_t adze_pack_b_sparse_f32_fn(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *_Nullable packed);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
