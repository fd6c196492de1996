// The layout that the products with block-quantized weights share, and their epilogue.
//
// A packed panel has a record for each block of k: PANEL scales (float), PANEL zero points less 2^(bits - 1) (int8), then
// [block * bits / 32][PANEL] words of 32 bits, a word holding consecutive k of one column. Element j of a word lies at
// bit (j % 4) * 8 + j / 4 * bits, so that the same mask over the word gives four elements that follow each other; it is
// signed (q less 2^(bits - 1)), so that two shifts give its value.

#include "epilogue_f32.h"

#define PANEL (2 * VL)
#define PREFETCH_BYTES 2048

typedef struct {
  ptrdiff_t blocks;        // along k
  ptrdiff_t words;         // 32-bit words of one column of a block
  ptrdiff_t record_bytes;
  int per_word;            // elements of a word
} block_layout;

ALWAYS_INLINE block_layout layout_of(const adze_gemm_block *g) {
  const ptrdiff_t words = g->block * g->bits / 32;
  return (block_layout){(g->k + g->block - 1) / g->block, words, PANEL * (5 + words * 4), 32 / g->bits};
}

typedef struct {
  const float *scales;
  const int8_t *zero_points;
  const int32_t *words;
} block_record;

ALWAYS_INLINE block_record record_at(const adze_gemm_block *g, const block_layout *l, ptrdiff_t panel, ptrdiff_t block) {
  const int8_t *start = (const int8_t *)g->b_packed + (panel * l->blocks + block) * l->record_bytes;
  const void *scales = start, *words = start + PANEL * 5;
  return (block_record){scales, start + PANEL * 4, words};
}

/// Asks for what follows this record in memory: several panels at once are more streams than the CPU foresees.
ALWAYS_INLINE void prefetch_record(const block_record *r, const block_layout *l) {
  const char *ahead = (const char *)r->words + PREFETCH_BYTES;
  for (ptrdiff_t at = 0; at < l->record_bytes; at += 64) __builtin_prefetch(ahead + at);
}

HELPER int block_shift(int bits, int j) { return j % 4 * 8 + j / 4 * bits; }

/// Element j of every word, less the zero point when there is one.
ALWAYS_INLINE vi block_element(vi words, const int bits, const int j, const bool has_zero_points, vi zero_points) {
  const vi x = vi_shift_right(vi_shift_left(words, 32 - bits - block_shift(bits, j)), 32 - bits);
  return has_zero_points ? vi_sub(x, zero_points) : x;
}

/// The product of no elements: zero, with biases and clamp.
HELPER void finish_empty(const adze_gemm_block *g, ptrdiff_t row, ptrdiff_t row_end, ptrdiff_t panel, ptrdiff_t panel_end) {
  const ptrdiff_t column = panel * PANEL, columns = least(panel_end * PANEL, g->n) - column;
  for (ptrdiff_t r = row; r < row_end; r++) {
    for (ptrdiff_t j = 0; j < columns; j++) g->c[r * g->c_row_stride + column + j] = 0;
  }
  finish_part(&g->epilogue, g->c, g->c_row_stride, row, row_end, column, columns);
}
