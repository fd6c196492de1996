// Product with weights of which whole blocks of 1 x 16 may be missing: the dense product over the rows of a panel that are
// there. The including file sets TILE_ROWS, the rows of the register tile.
//
// Packed: byte offsets of the panels (int64, one more than panels); of a panel the k of its rows (int32), a padding to 8
// bytes, then the rows' weights [count][ADZE_SPARSE_BLOCK].
#include "epilogue_f32.h"

#define PANEL ADZE_SPARSE_BLOCK
#define VECTORS (PANEL / VL)

typedef struct {
  ptrdiff_t count;
  const int32_t *k;
  const float *weights;
} block_panel;

ALWAYS_INLINE block_panel block_panel_at(const void *packed, ptrdiff_t panel) {
  const int64_t *offsets = packed;
  // A row takes 4 + 4 * PANEL bytes; the padding is less than that.
  const ptrdiff_t count = (offsets[panel + 1] - offsets[panel]) / (4 + 4 * PANEL);
  const void *k = (const char *)packed + offsets[panel], *weights = (const char *)k + (count + 1) / 2 * 8;
  return (block_panel){count, k, weights};
}

ALWAYS_INLINE void sparse_tile(
  const int rows, const adze_gemm_sparse_f32 *g, const block_panel *p, ptrdiff_t row, ptrdiff_t column) {
  const float *a = g->a + row * g->a_row_stride, *b = p->weights;
  vf acc[TILE_ROWS][VECTORS];
  UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < VECTORS; v++) acc[i][v] = v_set1(0);
  for (ptrdiff_t j = 0; j < p->count; j++) {
    const float *x = a + p->k[j];
    vf bj[VECTORS];
    UNROLL for (int v = 0; v < VECTORS; v++) bj[v] = v_load(b + v * VL);
    UNROLL for (int i = 0; i < rows; i++) {
      const vf ai = v_set1(x[i * g->a_row_stride]);
      UNROLL for (int v = 0; v < VECTORS; v++) acc[i][v] = v_fma(ai, bj[v], acc[i][v]);
    }
    b += PANEL;
  }
  const ptrdiff_t columns = least(PANEL, g->n - column);
  UNROLL for (int i = 0; i < rows; i++) {
    float *c = g->c + (row + i) * g->c_row_stride + column;
    UNROLL for (int v = 0; v < VECTORS; v++) {
      const ptrdiff_t part = columns - v * VL;
      if (part >= VL) v_store(c + v * VL, acc[i][v]);
      else if (part > 0) v_store_part(c + v * VL, acc[i][v], part);
    }
  }
}

typedef void sparse_tile_fn(const adze_gemm_sparse_f32 *g, const block_panel *p, ptrdiff_t row, ptrdiff_t column);
#define TILE(rows)                                                                                             \
  static void sparse_tile_##rows(                                                                             \
    const adze_gemm_sparse_f32 *g, const block_panel *p, ptrdiff_t row, ptrdiff_t column) {                   \
    sparse_tile(rows, g, p, row, column);                                                                     \
  }
TILE(1) TILE(2) TILE(3)
#if TILE_ROWS > 3
TILE(4) TILE(5) TILE(6)
#endif
#if TILE_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
static sparse_tile_fn *const sparse_tiles[TILE_ROWS] = {
  sparse_tile_1, sparse_tile_2, sparse_tile_3,
#if TILE_ROWS > 3
  sparse_tile_4, sparse_tile_5, sparse_tile_6,
#endif
#if TILE_ROWS > 6
  sparse_tile_7, sparse_tile_8, sparse_tile_9, sparse_tile_10, sparse_tile_11, sparse_tile_12,
#endif
};

// Rows whose A stays in the second cache while all panels go over them.
#define BLOCK_ROWS 96

void KERNEL(gemm_sparse_panel_f32)(
  const adze_gemm_sparse_f32 *g, float *scratch, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  (void)scratch;
  const ptrdiff_t column_end = least(panel_end * PANEL, g->n);
  for (ptrdiff_t row = row_begin; row < row_end; row += BLOCK_ROWS) {
    const ptrdiff_t end = least(row + BLOCK_ROWS, row_end);
    const ptrdiff_t steps = (end - row + TILE_ROWS - 1) / TILE_ROWS, height = (end - row) / steps;
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      const block_panel p = block_panel_at(g->b_packed, panel);
      const ptrdiff_t column = panel * PANEL, columns = least(PANEL, column_end - column);
      ptrdiff_t r = row;
      for (ptrdiff_t step = 0; step < steps; step++) {
        const ptrdiff_t count = height + (step < (end - row) % steps);
        sparse_tiles[count - 1](g, &p, r, column);
        r += count;
      }
      finish_part(&g->epilogue, g->c, g->c_row_stride, row, end, column, columns);
    }
    activate_part(&g->epilogue, g->c, g->c_row_stride, row, end, panel_begin * PANEL, column_end);
  }
}

ptrdiff_t KERNEL(pack_b_sparse_panel_f32)(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed) {
  const ptrdiff_t panels = (n + PANEL - 1) / PANEL;
  ptrdiff_t at = (panels + 1) * (ptrdiff_t)sizeof(int64_t);
  for (ptrdiff_t panel = 0; panel < panels; panel++) {
    const ptrdiff_t columns = least(PANEL, n - panel * PANEL);
    const float *from = b + panel * PANEL * n_stride;
    ptrdiff_t count = 0;
    // First the rows are counted: their number says where the weights begin.
    for (int pass = 0; pass < (packed ? 2 : 1); pass++) {
      int32_t *rows = packed ? (int32_t *)(void *)((char *)packed + at) : NULL;
      float *weights = packed ? (float *)(void *)((char *)rows + (count + 1) / 2 * 8) : NULL;
      count = 0;
      for (ptrdiff_t i = 0; i < k; i++) {
        bool any = false;
        for (ptrdiff_t c = 0; c < columns; c++) any = any || from[i * k_stride + c * n_stride] != 0;
        if (!any) continue;
        if (pass) {
          rows[count] = (int32_t)i;
          for (ptrdiff_t c = 0; c < PANEL; c++) {
            weights[count * PANEL + c] = c < columns ? from[i * k_stride + c * n_stride] : 0;
          }
        }
        count++;
      }
    }
    if (packed) ((int64_t *)packed)[panel] = at;
    at += (count + 1) / 2 * 8 + count * PANEL * (ptrdiff_t)sizeof(float);
  }
  if (packed) ((int64_t *)packed)[panels] = at;
  return at;
}
