// Product of float32 rows with block-quantized weights. The including file sets GEMM_ROWS (rows of the register tile).
//
// Weights are taken apart in registers, by each tile of rows. Where registers are few, and so the rows of a tile, more
// than DIRECT_ROWS rows first write a chunk of a panel's weights as floats, less their zero points, where they stay in
// the first cache. The arithmetic of an element is the same: a chain of v_fma over a block, then v_fma of that with the
// block's scale onto the blocks before it.
#include "gemm_block.h"

// Rows that are taken at a time.
#define BLOCK_ROWS 168
// Vectors of the largest tile; fewer rows go over several panels at once, so that enough chains are in flight.
#define LARGEST_TILE 16
#define WRITES_CHUNKS (GEMM_ROWS <= 6)
#define DIRECT_ROWS 12
#define CHUNK_DEPTH 256

/// rows x panels over all of k. `bits` and `zeros` (has zero points) are constants.
ALWAYS_INLINE void direct_tile(
  const int rows, const int panels, const int bits, const bool zeros, const adze_gemm_block *g, ptrdiff_t row,
  ptrdiff_t panel) {
  const int per_word = 32 / bits, vectors = 2 * panels;
  const block_layout l = layout_of(g);
  vf totals[LARGEST_TILE];
  UNROLL for (int i = 0; i < rows * vectors; i++) totals[i] = v_set1(0);
  for (ptrdiff_t block = 0; block < l.blocks; block++) {
    vf acc[LARGEST_TILE];
    vi zero_points[LARGEST_TILE];
    block_record r[LARGEST_TILE / 2];
    UNROLL for (int p = 0; p < panels; p++) {
      r[p] = record_at(g, &l, panel + p, block);
      prefetch_record(&r[p], &l);
    }
    UNROLL for (int v = 0; v < vectors; v++) {
      zero_points[v] = zeros ? vi_load_s8(r[v / 2].zero_points + v % 2 * VL) : vi_set1(0);
    }
    UNROLL for (int i = 0; i < rows * vectors; i++) acc[i] = v_set1(0);
    const ptrdiff_t k_end = least(g->k, (block + 1) * g->block);
    const float *a = g->a + row * g->a_row_stride;
    for (ptrdiff_t k = block * g->block, word = 0; k < k_end; k += per_word, word++) {
      const int count = (int)least(per_word, k_end - k);
      if (count == per_word) {
        UNROLL for (int j = 0; j < per_word; j++) {
          UNROLL for (int v = 0; v < vectors; v++) {
            const vi w = vi_load(r[v / 2].words + word * PANEL + v % 2 * VL);
            const vf b = v_from_i(block_element(w, bits, j, zeros, zero_points[v]));
            UNROLL for (int i = 0; i < rows; i++) {
              acc[i * vectors + v] = v_fma(v_set1(a[i * g->a_row_stride + k + j]), b, acc[i * vectors + v]);
            }
          }
        }
        continue;
      }
      for (int j = 0; j < count; j++) {
        UNROLL for (int v = 0; v < vectors; v++) {
          const vi w = vi_load(r[v / 2].words + word * PANEL + v % 2 * VL);
          const vf b = v_from_i(block_element(w, bits, j, zeros, zero_points[v]));
          UNROLL for (int i = 0; i < rows; i++) {
            acc[i * vectors + v] = v_fma(v_set1(a[i * g->a_row_stride + k + j]), b, acc[i * vectors + v]);
          }
        }
      }
    }
    UNROLL for (int v = 0; v < vectors; v++) {
      const vf scale = v_load(r[v / 2].scales + v % 2 * VL);
      UNROLL for (int i = 0; i < rows; i++) {
        totals[i * vectors + v] = v_fma(acc[i * vectors + v], scale, totals[i * vectors + v]);
      }
    }
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      const ptrdiff_t column = panel * PANEL + v * VL, count = g->n - column;
      float *c = g->c + (row + i) * g->c_row_stride + column;
      if (count >= VL) v_store(c, totals[i * vectors + v]);
      else if (count > 0) v_store_part(c, totals[i * vectors + v], count);
    }
  }
}

typedef void direct_fn(const adze_gemm_block *g, ptrdiff_t row, ptrdiff_t panel);
#define DIRECT(rows, panels, bits, zeros)                                                                             \
  static void direct_##rows##x##panels##_##bits##_##zeros(const adze_gemm_block *g, ptrdiff_t row, ptrdiff_t panel) { \
    direct_tile(rows, panels, bits, zeros, g, row, panel);                                                            \
  }
#define DIRECT_ENTRY(rows, panels, bits) \
  {direct_##rows##x##panels##_##bits##_0, direct_##rows##x##panels##_##bits##_1}
#define DIRECT_BITS(rows, panels)                                                  \
  DIRECT(rows, panels, 2, 0) DIRECT(rows, panels, 4, 0) DIRECT(rows, panels, 8, 0) \
  DIRECT(rows, panels, 2, 1) DIRECT(rows, panels, 4, 1) DIRECT(rows, panels, 8, 1) \
  static direct_fn *const direct_##rows##x##panels[3][2] = {                       \
    DIRECT_ENTRY(rows, panels, 2), DIRECT_ENTRY(rows, panels, 4), DIRECT_ENTRY(rows, panels, 8)};
DIRECT_BITS(1, 4) DIRECT_BITS(1, 1) DIRECT_BITS(2, 2) DIRECT_BITS(2, 1) DIRECT_BITS(3, 1) DIRECT_BITS(4, 1)
#if GEMM_ROWS > 6
// Taking off zero points is little beside so many rows: those without have zeros in their records.
#define TILE_ENTRY(rows, bits) {direct_##rows##x1_##bits##_1, direct_##rows##x1_##bits##_1}
#define TILE_BITS(rows)                                             \
  DIRECT(rows, 1, 2, 1) DIRECT(rows, 1, 4, 1) DIRECT(rows, 1, 8, 1) \
  static direct_fn *const direct_##rows##x1[3][2] = {TILE_ENTRY(rows, 2), TILE_ENTRY(rows, 4), TILE_ENTRY(rows, 8)};
TILE_BITS(5) TILE_BITS(6) TILE_BITS(7) TILE_BITS(8)
#endif
/// One panel against 1, 2 … rows.
static direct_fn *const (*const one_panel[])[2] = {
  direct_1x1, direct_2x1, direct_3x1, direct_4x1,
#if GEMM_ROWS > 6
  direct_5x1, direct_6x1, direct_7x1, direct_8x1,
#endif
};
#define STEP_ROWS ((ptrdiff_t)(sizeof one_panel / sizeof *one_panel))

/// Rows against panels: one or two go over several panels at once, more in steps of nearly equal height.
static void direct_rows(
  const adze_gemm_block *g, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t panel, ptrdiff_t panel_end) {
  const int bits = g->bits == 2 ? 0 : g->bits == 4 ? 1 : 2;
  const ptrdiff_t steps = (rows + STEP_ROWS - 1) / STEP_ROWS, height = rows / steps, taller = rows % steps;
  while (panel < panel_end) {
    const ptrdiff_t left = panel_end - panel;
    ptrdiff_t panels = 1;
    const bool zeros = g->has_zero_points;
    if (rows == 1 && left >= 4) panels = 4, direct_1x4[bits][zeros](g, row, panel);
    else if (rows == 2 && left >= 2) panels = 2, direct_2x2[bits][zeros](g, row, panel);
    else {
      for (ptrdiff_t step = 0, r = row; step < steps; step++) {
        const ptrdiff_t count = height + (step < taller);
        one_panel[count - 1][bits][zeros](g, r, panel);
        r += count;
      }
    }
    panel += panels;
  }
}

#if WRITES_CHUNKS
/// The weights of one block, less their zero points, as [k][PANEL] floats.
ALWAYS_INLINE void write_floats(
  const int bits, const adze_gemm_block *g, const block_layout *l, const block_record *r, float *to) {
  for (int v = 0; v < 2; v++) {
    const vi zero_points = vi_load_s8(r->zero_points + v * VL);
    for (ptrdiff_t word = 0; word < l->words; word++) {
      const vi w = vi_load(r->words + word * PANEL + v * VL);
      float *at = to + word * (32 / bits) * PANEL + v * VL;
      UNROLL for (int j = 0; j < 32 / bits; j++) {
        v_store(at + j * PANEL, v_from_i(block_element(w, bits, j, g->has_zero_points, zero_points)));
      }
    }
  }
}

/// One chunk of k of one panel, and the rows that meet it.
typedef struct {
  const adze_gemm_block *gemm;
  const block_layout *layout;
  ptrdiff_t panel, block, block_end;
  const float *weights;
} block_chunk;

/// The tile's totals of former chunks, from C, or its totals to C.
ALWAYS_INLINE void move_totals(
  const int rows, const bool reads, const block_chunk *chunk, ptrdiff_t row, vf totals[GEMM_ROWS][2]) {
  const adze_gemm_block *g = chunk->gemm;
  const ptrdiff_t column = chunk->panel * PANEL, columns = least(PANEL, g->n - column);
  UNROLL for (int v = 0; v < 2; v++) {
    const ptrdiff_t part = columns - v * VL;
    float *c = g->c + row * g->c_row_stride + column + v * VL;
    UNROLL for (int i = 0; i < rows; i++, c += g->c_row_stride) {
      if (reads) totals[i][v] = part >= VL ? v_load(c) : part > 0 ? v_load_part(c, part) : v_set1(0);
      else if (part >= VL) v_store(c, totals[i][v]);
      else if (part > 0) v_store_part(c, totals[i][v], part);
    }
  }
}

ALWAYS_INLINE void block_tile(const int rows, const block_chunk *chunk, ptrdiff_t row) {
  const adze_gemm_block *g = chunk->gemm;
  vf totals[GEMM_ROWS][2];
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < 2; v++) totals[i][v] = v_set1(0);
  if (chunk->block > 0) move_totals(rows, true, chunk, row, totals);
  for (ptrdiff_t block = chunk->block; block < chunk->block_end; block++) {
    const float *b = chunk->weights + (block - chunk->block) * g->block * PANEL;
    const float *a = g->a + row * g->a_row_stride + block * g->block;
    const ptrdiff_t depth = least(g->block, g->k - block * g->block);
    const block_record r = record_at(g, chunk->layout, chunk->panel, block);
    vf acc[GEMM_ROWS][2];
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < 2; v++) acc[i][v] = v_set1(0);
    for (ptrdiff_t k = 0; k < depth; k++) {
      UNROLL for (int i = 0; i < rows; i++) {
        const vf ai = v_set1(a[i * g->a_row_stride + k]);
        UNROLL for (int v = 0; v < 2; v++) acc[i][v] = v_fma(ai, v_load(b + k * PANEL + v * VL), acc[i][v]);
      }
    }
    UNROLL for (int v = 0; v < 2; v++) {
      const vf scale = v_load(r.scales + v * VL);
      UNROLL for (int i = 0; i < rows; i++) totals[i][v] = v_fma(acc[i][v], scale, totals[i][v]);
    }
  }
  move_totals(rows, false, chunk, row, totals);
}

typedef void block_tile_fn(const block_chunk *chunk, ptrdiff_t row);
#define TILE(rows) \
  static void block_tile_##rows(const block_chunk *chunk, ptrdiff_t row) { block_tile(rows, chunk, row); }
TILE(1) TILE(2) TILE(3) TILE(4)
#if GEMM_ROWS > 4
TILE(5) TILE(6)
#endif
static block_tile_fn *const block_tiles[GEMM_ROWS] = {
  block_tile_1, block_tile_2, block_tile_3, block_tile_4,
#if GEMM_ROWS > 4
  block_tile_5, block_tile_6,
#endif
};

/// Rows [row, end) against one chunk, in tiles of nearly equal height.
static void multiply_chunk(block_chunk *chunk, float *weights, ptrdiff_t row, ptrdiff_t end) {
  const adze_gemm_block *g = chunk->gemm;
  for (ptrdiff_t block = chunk->block; block < chunk->block_end; block++) {
    const block_record r = record_at(g, chunk->layout, chunk->panel, block);
    float *to = weights + (block - chunk->block) * g->block * PANEL;
    if (g->bits == 2) write_floats(2, g, chunk->layout, &r, to);
    else if (g->bits == 4) write_floats(4, g, chunk->layout, &r, to);
    else write_floats(8, g, chunk->layout, &r, to);
  }
  const ptrdiff_t steps = (end - row + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t height = (end - row) / steps, taller = (end - row) % steps;
  for (ptrdiff_t step = 0; step < steps; step++) {
    const ptrdiff_t rows = height + (step < taller);
    block_tiles[rows - 1](chunk, row);
    row += rows;
  }
}

static void many_rows_of(
  const adze_gemm_block *g, ptrdiff_t row, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  _Alignas(64) float weights[CHUNK_DEPTH * PANEL];
  const block_layout l = layout_of(g);
  const ptrdiff_t step = CHUNK_DEPTH / g->block;
  for (ptrdiff_t block = 0; block < l.blocks; block += step) {
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      block_chunk chunk = {g, &l, panel, block, least(block + step, l.blocks), weights};
      multiply_chunk(&chunk, weights, row, row_end);
    }
  }
}

#endif

void KERNEL(gemm_block_f32)(
  const adze_gemm_block *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t column = panel_begin * PANEL, column_end = least(panel_end * PANEL, g->n);
  if (g->k == 0) finish_empty(g, row_begin, row_end, panel_begin, panel_end);
  for (ptrdiff_t row = row_begin; row < row_end; row += BLOCK_ROWS) {
    const ptrdiff_t end = least(row + BLOCK_ROWS, row_end);
    if (g->k > 0) {
#if WRITES_CHUNKS
      if (end - row > DIRECT_ROWS) many_rows_of(g, row, end, panel_begin, panel_end);
      else
#endif
        direct_rows(g, row, end - row, panel_begin, panel_end);
      finish_part(&g->epilogue, g->c, g->c_row_stride, row, end, column, column_end - column);
    }
    activate_part(&g->epilogue, g->c, g->c_row_stride, row, end, column, column_end);
  }
}

/// Element `at` of a packed row of `bits`-bit elements.
static int32_t field_at(const uint8_t *bytes, ptrdiff_t at, int32_t bits) {
  return bytes[at * bits / 8] >> (at * bits % 8) & ((1 << bits) - 1);
}

void KERNEL(pack_b_block)(
  const adze_gemm_block *g, const uint8_t *q, const float *scales, const uint8_t *zero_points, void *packed,
  ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const block_layout l = layout_of(g);
  const int32_t middle = 1 << (g->bits - 1), mask = (1 << g->bits) - 1;
  const ptrdiff_t block_bytes = g->block * g->bits / 8, zero_bytes = (l.blocks * g->bits + 7) / 8;
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    for (ptrdiff_t block = 0; block < l.blocks; block++) {
      int8_t *record = (int8_t *)packed + (panel * l.blocks + block) * l.record_bytes;
      memset(record, 0, (size_t)l.record_bytes);
      for (ptrdiff_t c = 0; c < least(PANEL, g->n - panel * PANEL); c++) {
        const ptrdiff_t n = panel * PANEL + c;
        memcpy(record + c * 4, &scales[n * l.blocks + block], sizeof(float));
        if (zero_points) {
          record[PANEL * 4 + c] = (int8_t)(field_at(zero_points + n * zero_bytes, block, g->bits) - middle);
        }
        const uint8_t *from = q + (n * l.blocks + block) * block_bytes;
        for (ptrdiff_t word = 0; word < l.words; word++) {
          uint32_t bits = 0;
          for (int j = 0; j < l.per_word; j++) {
            const int32_t element = field_at(from, word * l.per_word + j, g->bits);
            bits |= (uint32_t)((element ^ middle) & mask) << block_shift(g->bits, j);
          }
          memcpy(record + PANEL * 5 + (word * PANEL + c) * 4, &bits, sizeof bits);
        }
      }
    }
  }
}
