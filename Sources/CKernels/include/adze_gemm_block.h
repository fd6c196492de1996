// Products with weights that are quantized in blocks along k (MatMulNBits): part of adze_kernels.h.
#ifndef ADZE_KERNELS_H
#include "adze_kernels.h"
#elif !defined(ADZE_GEMM_BLOCK_H)
#define ADZE_GEMM_BLOCK_H

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

/// C[m, n] = epilogue(A[m, k] W[k, n]), W[i, j] = (q[i, j] - zero_point[i / block, j]) * scale[i / block, j].
///
/// q has `bits` bits (2, 4 or 8), unsigned; `block` is 16, 32, 64, 128 or 256; the last block of a column may be cut
/// short by k. gemm_block_f32 multiplies float32: for each block a chain of fused multiply-adds over ascending k, which
/// times its scale is added to the chain of blocks. gemm_block_i8 quantizes each block of a row of A to int8 first
/// (symmetric, by its largest magnitude; accuracy_level 4 of MatMulNBits): exact integers inside a block, then one
/// rounded product and one rounded sum for each block, equal on every instruction set but for `activation`. A block of A
/// that holds NaN or infinity makes that row NaN.
typedef struct adze_gemm_block {
  ptrdiff_t m, n, k;
  int32_t bits;
  int32_t block;
  const float *a;  // columns are contiguous
  ptrdiff_t a_row_stride;
  const void *b_packed;   // by pack_b_block of the same table with the same n, k, bits and block
  bool has_zero_points;   // as given to pack_b_block; without, they are all 2^(bits - 1)
  float *c;
  ptrdiff_t c_row_stride;
  adze_epilogue_f32 epilogue;
} adze_gemm_block;

/// Computes rows [row_begin, row_end) of column panels [panel_begin, panel_end), as gemm_f32 does; panels have
/// gemm_f32_panel columns. Every split gives the same bits.
typedef void adze_gemm_block_fn(
  const adze_gemm_block *gemm, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end);

/// Packs panels from the layout of MatMulNBits, with K = ceil(k / block): q [n, K, block * bits / 8] bytes, lower bits
/// first; scales [n, K]; zero points [n, ceil(K * bits / 8)] bytes, lower bits first, or null. Of `sizes` n, k, bits and
/// block are read. `packed` has adze_gemm_block_packed_bytes bytes, its start aligned to 4.
typedef void adze_pack_b_block_fn(
  const adze_gemm_block *sizes, const uint8_t *q, const float *scales, const uint8_t *_Nullable zero_points,
  void *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
