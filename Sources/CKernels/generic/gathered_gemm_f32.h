// Product of rows that lie anywhere in memory with packed panels: what convolutions are made of. The including file
// sets GEMM_ROWS (rows of the register tile, at most 12).
//
// Row r of A holds element k at rows[r][offsets[k]]: the offsets are those of a window's taps, the rows the places of
// the window, so that patches are multiplied where they lie. Each element of C is one chain of v_fma over k in
// ascending order, whatever tile computes it and however k is blocked.

#define PANEL (2 * VL)
// Depth of a block of k: one panel block stays in the first-level cache (16 KiB at 8 lanes, 32 KiB at 16).
#define GATHERED_DEPTH 256
// Vectors of C that a tile of few rows holds, so that enough chains are in flight.
#define GATHERED_WIDE 8

// Floats of a cache line.
#define LINE 16

#include "tile_f32.h"

/// C[rows, columns] = epilogue(A B); `c`, `bias` and `residual` point at the first column of B.
typedef struct {
  ptrdiff_t columns, depth;
  const float *const *rows;  // and GEMM_ROWS more, which are prefetched only
  const int32_t *offsets;
  const float *b;       // panels of depth x PANEL
  const float *b_next;  // what is multiplied after them, to be prefetched
  float *c;
  ptrdiff_t c_stride;
  const float *bias;      // of each column; may be null
  const float *residual;  // added to the sum and the bias; may be null
  ptrdiff_t residual_stride;
  bool clamps;
  float minimum, maximum;
} gathered;

typedef struct {
  ptrdiff_t begin, depth;
  bool first, last;
  // The tile's share of the panel that comes next: with each k half a panel's row, or a whole one.
  const float *fetched;
  enum { FETCH_NOTHING, FETCH_HALF, FETCH_ALL } fetches;
} gathered_block;

/// What becomes of the sums of a tile.
ALWAYS_INLINE void gathered_epilogue(
  const int rows, const int vectors, const gathered *g, vf *acc, ptrdiff_t row, ptrdiff_t column, ptrdiff_t part) {
  const float *bias = g->bias, *residual = g->residual;
  const ptrdiff_t stride = g->residual_stride;
  if (bias) tile_add_bias(rows, vectors, bias + column, part, acc);
  if (residual) {
    residual += row * stride + column;
    UNROLL for (int i = 0; i < rows; i++) {
      UNROLL for (int v = 0; v < vectors; v++) {
        acc[i * vectors + v] =
          acc[i * vectors + v] + tile_load(residual + i * stride + v * VL, v == vectors - 1, part);
      }
    }
  }
  if (g->clamps) tile_clamp(rows, vectors, g->minimum, g->maximum, acc);
}

/// acc += A B over the block's k; row i of A is at a[i], B at b. `next`: rows to be brought in too, or null. What comes of
/// the next panel comes by a line or two with each k: many at once would keep the loads of this panel waiting.
ALWAYS_INLINE void gathered_multiply(
  const int rows, const int vectors, const int fetches, const gathered *g, const gathered_block *block,
  const float *const *a, const float *const *next, const float *b, vf *acc) {
  const ptrdiff_t panel_size = g->depth * PANEL, depth = block->depth;
  const int32_t *offsets = g->offsets + block->begin;
  const float *fetched = block->fetched;
  for (ptrdiff_t k = 0; k < depth;) {
    // The rows are short streams, which the CPU's prefetchers find late; the first panel brings them in for all.
    if (next) UNROLL for (int i = 0; i < rows; i++) __builtin_prefetch(next[i] + offsets[k]);
    for (const ptrdiff_t end = least(depth, k + LINE); k < end; k++) {
      const ptrdiff_t at = offsets[k];
      vf bk[GATHERED_WIDE];
      UNROLL for (int v = 0; v < vectors; v++) bk[v] = v_load(b + v / 2 * panel_size + v % 2 * VL);
      if (fetches != FETCH_NOTHING) __builtin_prefetch(fetched);
      if (fetches == FETCH_ALL && PANEL > LINE) __builtin_prefetch(fetched + LINE);
      UNROLL for (int i = 0; i < rows; i++) {
        const vf ai = v_set1(a[i][at]);
        UNROLL for (int v = 0; v < vectors; v++) acc[i * vectors + v] = v_fma(ai, bk[v], acc[i * vectors + v]);
      }
      b += PANEL;
      fetched += fetches == FETCH_ALL ? PANEL : PANEL / 2;
    }
  }
}

/// rows x vectors of C at (row, column), `columns` of them real.
ALWAYS_INLINE void gathered_tile(
  const int rows, const int vectors, const gathered *g, const gathered_block *block, ptrdiff_t row, ptrdiff_t column,
  ptrdiff_t columns) {
  const ptrdiff_t panel_size = g->depth * PANEL, depth = block->depth, c_stride = g->c_stride;
  const float *b = g->b + column / PANEL * panel_size + block->begin * PANEL;
  float *c = g->c + row * c_stride + column;
  const ptrdiff_t part = columns - (vectors - 1) * VL;
  const bool fetches = vectors == 2 && depth > 2 * LINE && block->first;
  const bool fetches_rows = vectors == 2 && depth > 2 * LINE && column == 0;
  const float *const *next = fetches_rows ? g->rows + row + rows : NULL;
  const float *a[GEMM_ROWS];
  vf acc[GEMM_ROWS * 2 > GATHERED_WIDE ? GEMM_ROWS * 2 : GATHERED_WIDE];
  UNROLL for (int i = 0; i < rows; i++) {
    a[i] = g->rows[row + i];
  }
  if (fetches) tile_prefetch(rows, vectors, c, c_stride);
  UNROLL for (int i = 0; i < rows * vectors; i++) acc[i] = v_set1(0);
  if (!block->first) tile_read(rows, vectors, c, c_stride, part, acc);
  const bool whole = vectors == 2 && block->fetches == FETCH_ALL, half = vectors == 2 && block->fetches == FETCH_HALF;
  if (whole) gathered_multiply(rows, vectors, FETCH_ALL, g, block, a, next, b, acc);
  else if (half) gathered_multiply(rows, vectors, FETCH_HALF, g, block, a, next, b, acc);
  else gathered_multiply(rows, vectors, FETCH_NOTHING, g, block, a, next, b, acc);
  if (block->last) gathered_epilogue(rows, vectors, g, acc, row, column, part);
  tile_write(rows, vectors, acc, part, c, c_stride);
}

typedef void gathered_tile_fn(const gathered *, const gathered_block *, ptrdiff_t, ptrdiff_t, ptrdiff_t);
#define GATHERED_TILE(rows, vectors)                                                                   \
  static void gathered_##rows##x##vectors(                                                             \
    const gathered *g, const gathered_block *block, ptrdiff_t row, ptrdiff_t column, ptrdiff_t columns) { \
    gathered_tile(rows, vectors, g, block, row, column, columns);                                      \
  }
#define GATHERED_ROW(rows) GATHERED_TILE(rows, 1) GATHERED_TILE(rows, 2)
#define GATHERED_ENTRY(rows) {gathered_##rows##x1, gathered_##rows##x2}
GATHERED_ROW(1) GATHERED_ROW(2) GATHERED_ROW(3) GATHERED_ROW(4)
GATHERED_TILE(1, 8) GATHERED_TILE(1, 4) GATHERED_TILE(2, 4)
#if GEMM_ROWS > 4
GATHERED_ROW(5) GATHERED_ROW(6)
#endif
#if GEMM_ROWS > 6
GATHERED_ROW(7) GATHERED_ROW(8) GATHERED_ROW(9) GATHERED_ROW(10)
GATHERED_TILE(3, 4) GATHERED_TILE(4, 4)
#endif
static gathered_tile_fn *const gathered_tiles[GEMM_ROWS][2] = {
  GATHERED_ENTRY(1), GATHERED_ENTRY(2), GATHERED_ENTRY(3), GATHERED_ENTRY(4),
#if GEMM_ROWS > 4
  GATHERED_ENTRY(5), GATHERED_ENTRY(6),
#endif
#if GEMM_ROWS > 6
  GATHERED_ENTRY(7), GATHERED_ENTRY(8), GATHERED_ENTRY(9), GATHERED_ENTRY(10),
#endif
};

/// Few rows: tiles over several panels, so that the chains of one row do not wait for each other.
static void gathered_few_rows(const gathered *g, const gathered_block *block, ptrdiff_t rows) {
  for (ptrdiff_t column = 0; column < g->columns;) {
    const ptrdiff_t left = g->columns - column;
    int vectors = left > VL ? 2 : 1;
    gathered_tile_fn *best = gathered_tiles[rows - 1][vectors - 1];
    if (rows == 1 && left > 7 * VL) best = gathered_1x8, vectors = 8;
    else if (rows == 1 && left > 3 * VL) best = gathered_1x4, vectors = 4;
    else if (rows == 2 && left > 3 * VL) best = gathered_2x4, vectors = 4;
#if GEMM_ROWS > 6
    else if (rows == 3 && left > 3 * VL) best = gathered_3x4, vectors = 4;
    else if (rows == 4 && left > 3 * VL) best = gathered_4x4, vectors = 4;
#endif
    best(g, block, 0, column, least(left, vectors * VL));
    column += vectors * VL;
  }
}

/// Depth and columns of a B that stays in the first cache as a whole.
#define GATHERED_SMALL 4096

/// Tiles of nearly equal height under GEMM_ROWS. A small B is passed over for each tile, so that rows of C are written
/// at once; else panel by panel, which stays in the first cache, while the next comes into the second.
static void gathered_many_rows(const gathered *g, gathered_block *block, ptrdiff_t rows) {
  const ptrdiff_t steps = (rows + GEMM_ROWS - 1) / GEMM_ROWS, height = rows / steps, taller = rows % steps;
  if (g->depth * g->columns <= GATHERED_SMALL) {
    for (ptrdiff_t step = 0, row = 0; step < steps; step++) {
      const ptrdiff_t tall = height + (step < taller);
      for (ptrdiff_t column = 0; column < g->columns; column += PANEL) {
        const ptrdiff_t columns = least(PANEL, g->columns - column);
        gathered_tiles[tall - 1][columns > VL](g, block, row, column, columns);
      }
      row += tall;
    }
    return;
  }
  for (ptrdiff_t column = 0; column < g->columns; column += PANEL) {
    const ptrdiff_t columns = least(PANEL, g->columns - column), next = column / PANEL + 1;
    const float *fetched = column + PANEL < g->columns ? g->b + next * PANEL * g->depth + block->begin * PANEL
      : block->last ? g->b_next : g->b + (block->begin + block->depth) * PANEL;
    for (ptrdiff_t step = 0, row = 0; step < steps; step++) {
      const ptrdiff_t tall = height + (step < taller);
      block->fetched = fetched + step * block->depth * (PANEL / 2);
      block->fetches = steps == 1 ? FETCH_ALL : step < 2 ? FETCH_HALF : FETCH_NOTHING;
      gathered_tiles[tall - 1][columns > VL](g, block, row, column, columns);
      row += tall;
    }
  }
}

static void gathered_product(const gathered *g, ptrdiff_t rows) {
  if (rows == 0) return;
  const ptrdiff_t blocks = most(1, (g->depth + GATHERED_DEPTH - 1) / GATHERED_DEPTH);
  const ptrdiff_t depth = (g->depth + blocks - 1) / blocks;
  for (ptrdiff_t i = 0; i < blocks; i++) {
    gathered_block block = {
      .begin = i * depth, .depth = least(depth, g->depth - i * depth), .first = i == 0, .last = i == blocks - 1,
      .fetched = g->b, .fetches = FETCH_NOTHING};
    if (rows <= 4) gathered_few_rows(g, &block, rows);
    else gathered_many_rows(g, &block, rows);
  }
}
