// fp32 GEMM on packed panels of B. The including file sets GEMM_ROWS (rows of the register tile, at most 14).
//
// Each element of C is one chain of v_fma over k in ascending order, whatever tile computes it and however k is
// blocked (a block starts from the stored partial sum), so results do not depend on m, n or the caller's split.

#define PANEL (2 * VL)
// Depth of a block of k: one panel block stays in the first-level cache (16 KiB at 8 lanes, 32 KiB at 16).
#define GEMM_DEPTH 256
// Rows of a block: GEMM_BLOCK_ROWS x GEMM_DEPTH of A stay in the second-level cache.
#define GEMM_BLOCK_ROWS 168
// Vectors of C that a tile of few rows holds, so that enough chains are in flight.
#define WIDE 8

// Rows of A whose distance is a multiple of 2 KiB fall on few lines of the first cache and push each other out; that many
// are copied to the stack at a time, to rows that are further apart by a cache line.
#define CLASHING_STRIDE 512
#define COPIED_ROWS 48
#define COPIED_STRIDE (GEMM_DEPTH + 16)

/// A block of rows and of k.
typedef struct {
  const adze_gemm_f32 *gemm;
  const float *a;  // element (row, k_begin)
  ptrdiff_t a_row_stride;
  ptrdiff_t row, k_begin, depth;
  bool first, last;
} k_block;

ALWAYS_INLINE vf epilogue_lanes(const adze_epilogue_f32 *e, vf c, vf column_bias, vf row_bias) {
  if (e->column_bias) c = c + column_bias;
  if (e->row_bias) c = c + row_bias;
  if (e->clamps) c = v_min(v_set1(e->maximum), v_max(v_set1(e->minimum), c));
  return c;
}

/// rows x vectors of C at (row, column), `columns` of them real; vector v reads its B at b + offset(v).
ALWAYS_INLINE void tile(
  const int rows, const int vectors, const k_block *block, ptrdiff_t row, ptrdiff_t column, ptrdiff_t columns) {
  const adze_gemm_f32 *g = block->gemm;
  const ptrdiff_t row_stride = block->a_row_stride, column_stride = g->a_column_stride, panel_size = g->k * PANEL;
  const float *a = block->a + (row - block->row) * row_stride;
  const float *b = g->b_packed + column / PANEL * panel_size + block->k_begin * PANEL;
  float *c = g->c + row * g->c_row_stride + column;
  // Only the last vector can be partial.
  const ptrdiff_t part = columns - (vectors - 1) * VL;
  const bool loads = !block->first || g->accumulates;

  vf acc[GEMM_ROWS * 2 > WIDE ? GEMM_ROWS * 2 : WIDE];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      const float *p = c + i * g->c_row_stride + v * VL;
      acc[i * vectors + v] = !loads ? v_set1(0) : v == vectors - 1 && part < VL ? v_load_part(p, part) : v_load(p);
    }
  }
  for (ptrdiff_t k = 0; k < block->depth; k++) {
    vf bk[WIDE];
    UNROLL for (int v = 0; v < vectors; v++) bk[v] = v_load(b + v / 2 * panel_size + v % 2 * VL);
    UNROLL for (int i = 0; i < rows; i++) {
      const vf ai = v_set1(a[i * row_stride]);
      UNROLL for (int v = 0; v < vectors; v++) acc[i * vectors + v] = v_fma(ai, bk[v], acc[i * vectors + v]);
    }
    a += column_stride;
    b += PANEL;
  }
  const adze_epilogue_f32 *e = &g->epilogue;
  UNROLL for (int i = 0; i < rows; i++) {
    const vf row_bias = v_set1(block->last && e->row_bias ? e->row_bias[row + i] : 0);
    UNROLL for (int v = 0; v < vectors; v++) {
      float *p = c + i * g->c_row_stride + v * VL;
      vf sum = acc[i * vectors + v];
      const bool partial = v == vectors - 1 && part < VL;
      if (block->last) {
        vf column_bias = v_set1(0);
        if (e->column_bias) {
          const float *bias = e->column_bias + column + v * VL;
          column_bias = partial ? v_load_part(bias, part) : v_load(bias);
        }
        sum = epilogue_lanes(e, sum, column_bias, row_bias);
      }
      if (partial) v_store_part(p, sum, part);
      else v_store(p, sum);
    }
  }
}

typedef void tile_fn(const k_block *, ptrdiff_t row, ptrdiff_t column, ptrdiff_t columns);
#define TILE(rows, vectors)                                                                            \
  static void tile_##rows##x##vectors(const k_block *block, ptrdiff_t row, ptrdiff_t c, ptrdiff_t n) { \
    tile(rows, vectors, block, row, c, n);                                                             \
  }
#define TILE_ROW(rows) TILE(rows, 1) TILE(rows, 2)
TILE_ROW(1) TILE_ROW(2) TILE_ROW(3) TILE_ROW(4)
TILE(1, 8) TILE(1, 4) TILE(2, 4)
#if GEMM_ROWS > 4
TILE_ROW(5) TILE_ROW(6)
#endif
#if GEMM_ROWS > 6
TILE_ROW(7) TILE_ROW(8) TILE_ROW(9) TILE_ROW(10) TILE_ROW(11) TILE_ROW(12)
TILE(3, 4) TILE(4, 4)
#endif
#if GEMM_ROWS > 12
TILE_ROW(13) TILE_ROW(14)
#endif

#define TILE_ENTRY(rows) {tile_##rows##x1, tile_##rows##x2}
static tile_fn *const tiles[GEMM_ROWS][2] = {
  TILE_ENTRY(1), TILE_ENTRY(2), TILE_ENTRY(3), TILE_ENTRY(4),
#if GEMM_ROWS > 4
  TILE_ENTRY(5), TILE_ENTRY(6),
#endif
#if GEMM_ROWS > 6
  TILE_ENTRY(7), TILE_ENTRY(8), TILE_ENTRY(9), TILE_ENTRY(10), TILE_ENTRY(11), TILE_ENTRY(12),
#endif
#if GEMM_ROWS > 12
  TILE_ENTRY(13), TILE_ENTRY(14),
#endif
};

/// Few rows: tiles over several panels, so that B is read once and the chains of one row do not wait for each other.
static void few_rows(const k_block *block, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column, ptrdiff_t end) {
  while (column < end) {
    const ptrdiff_t left = end - column;
    int vectors = left > VL ? 2 : 1;
    tile_fn *best = tiles[rows - 1][vectors - 1];
    if (rows == 1 && left > 7 * VL) best = tile_1x8, vectors = 8;
    else if (rows == 1 && left > 3 * VL) best = tile_1x4, vectors = 4;
    else if (rows == 2 && left > 3 * VL) best = tile_2x4, vectors = 4;
#if GEMM_ROWS > 6
    else if (rows == 3 && left > 3 * VL) best = tile_3x4, vectors = 4;
    else if (rows == 4 && left > 3 * VL) best = tile_4x4, vectors = 4;
#endif
    best(block, row, column, least(left, vectors * VL));
    column += vectors * VL;
  }
}

/// Rows [row, end) of a block against all columns: tiles of nearly equal height under GEMM_ROWS.
static void many_rows(const k_block *block, ptrdiff_t row, ptrdiff_t end, ptrdiff_t column, ptrdiff_t column_end) {
  const ptrdiff_t steps = (end - row + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t height = (end - row) / steps, taller = (end - row) % steps;
  for (; column < column_end; column += PANEL) {
    const ptrdiff_t columns = least(PANEL, column_end - column);
    ptrdiff_t r = row;
    for (ptrdiff_t step = 0; step < steps; step++) {
      const ptrdiff_t rows = height + (step < taller);
      tiles[rows - 1][columns > VL](block, r, column, columns);
      r += rows;
    }
  }
}

/// Lets the block read its A from `copy`.
static void copy_a(k_block *block, ptrdiff_t rows, float *copy) {
  for (ptrdiff_t i = 0; i < rows; i++) {
    memcpy(copy + i * COPIED_STRIDE, block->a + i * block->a_row_stride, (size_t)block->depth * sizeof *copy);
  }
  block->a = copy;
  block->a_row_stride = COPIED_STRIDE;
}

void KERNEL(gemm_f32)(
  const adze_gemm_f32 *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t column = panel_begin * PANEL, column_end = least(panel_end * PANEL, g->n);
  if (column >= column_end) return;
  const ptrdiff_t blocks = most(1, (g->k + GEMM_DEPTH - 1) / GEMM_DEPTH);
  const ptrdiff_t depth = (g->k + blocks - 1) / blocks;
  // Worth it when the copy is read by several panels.
  const bool copies = g->a_column_stride == 1 && g->a_row_stride % CLASHING_STRIDE == 0 && row_end - row_begin > 4
    && column_end - column > 2 * PANEL;
  const ptrdiff_t block_rows = copies ? COPIED_ROWS : GEMM_BLOCK_ROWS;
  _Alignas(64) float copy[COPIED_ROWS * COPIED_STRIDE];
  for (ptrdiff_t row = row_begin; row < row_end; row += block_rows) {
    const ptrdiff_t end = least(row + block_rows, row_end);
    for (ptrdiff_t i = 0; i < blocks; i++) {
      const ptrdiff_t k = i * depth;
      k_block block = {
        g, g->a + row * g->a_row_stride + k * g->a_column_stride, g->a_row_stride, row, k, least(depth, g->k - k),
        i == 0, i == blocks - 1};
      if (copies) copy_a(&block, end - row, copy);
      if (end - row <= 4) few_rows(&block, row, end - row, column, column_end);
      else many_rows(&block, row, end, column, column_end);
    }
    const adze_epilogue_f32 *e = &g->epilogue;
    if (e->activation) {
      for (ptrdiff_t r = row; r < end; r++) {
        float *c = g->c + r * g->c_row_stride + column;
        e->activation(c, c, column_end - column, e->alpha, e->beta);
      }
    }
  }
}

void KERNEL(pack_b_f32)(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, float *packed,
  ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    const float *from = b + panel * PANEL * n_stride;
    float *to = packed + panel * PANEL * k;
    const ptrdiff_t columns = least(PANEL, n - panel * PANEL);
    for (ptrdiff_t i = 0; i < k; i++, from += k_stride, to += PANEL) {
      if (n_stride == 1) memcpy(to, from, (size_t)columns * sizeof *to);
      else for (ptrdiff_t j = 0; j < columns; j++) to[j] = from[j * n_stride];
      for (ptrdiff_t j = columns; j < PANEL; j++) to[j] = 0;
    }
  }
}
