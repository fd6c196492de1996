// fp32 GEMM on packed panels of B. The including file sets GEMM_ROWS (rows of the register tile, at most 14).
//
// Each element of C is one chain of v_fma over k in ascending order, whatever tile computes it and however k is
// blocked (a block starts from the stored partial sum), so results do not depend on m, n or the caller's split.

#define PANEL (2 * VL)
// Depth of a block of k: one panel block stays in the first-level cache (16 KiB at 8 lanes, 32 KiB at 16).
#define GEMM_DEPTH 256
// Rows of a block: GEMM_BLOCK_ROWS x GEMM_DEPTH of A stay in the second-level cache.
#define GEMM_BLOCK_ROWS 168
// Columns of a block: when k is blocked, its partial sums stay in the second-level cache too.
#define GEMM_BLOCK_COLUMNS 768
// Vectors of C that a tile of few rows holds, so that enough chains are in flight.
#define WIDE 8

// Rows of A whose distance is a multiple of 2 KiB fall on few lines of the first cache and push each other out; that many
// are copied to the stack at a time, to rows that are further apart by a cache line.
#define CLASHING_STRIDE 512
#define COPIED_ROWS 48
#define COPIED_ELEMENTS (COPIED_ROWS * (GEMM_DEPTH + 16))

// Floats of a cache line, and the lines that one k of a panel takes.
#define GEMM_LINE 16
#define PANEL_LINES (PANEL > GEMM_LINE ? PANEL / GEMM_LINE : 1)

// One step of rows reads each panel once: short blocks of k would gain nothing. Of a B with more elements than
// STREAM_ELEMENTS, which can lie outside of the second cache, it asks STREAM_DISTANCE elements ahead.
#define STREAM_DEPTH 4096
#define STREAM_ELEMENTS (1 << 18)
#define STREAM_DISTANCE 2048

#include "tile_f32.h"

/// A block of rows and of k.
typedef struct {
  const adze_gemm_f32 *gemm;
  const float *a;  // element (row, k_begin)
  ptrdiff_t a_row_stride;
  ptrdiff_t row, k_begin, depth;
  bool first, last;
  // What the tile brings of B, from fetched_distance behind what it multiplies: with each k half a panel's row, or all.
  enum { FETCH_NOTHING, FETCH_HALF, FETCH_ALL } fetches;
  ptrdiff_t fetched_distance;
  bool fetches_rows;  // of A, under the next tile
} k_block;

/// What becomes of the sums of a tile.
ALWAYS_INLINE void gemm_epilogue(
  const int rows, const int vectors, const adze_epilogue_f32 *e, vf *acc, ptrdiff_t row, ptrdiff_t column,
  ptrdiff_t part) {
  const float *column_bias = e->column_bias, *row_bias = e->row_bias;
  if (column_bias) tile_add_bias(rows, vectors, column_bias + column, part, acc);
  if (row_bias) {
    UNROLL for (int i = 0; i < rows; i++) {
      const vf bias = v_set1(row_bias[row + i]);
      UNROLL for (int v = 0; v < vectors; v++) acc[i * vectors + v] = acc[i * vectors + v] + bias;
    }
  }
  if (e->clamps) tile_clamp(rows, vectors, e->minimum, e->maximum, acc);
}

/// acc += A B over the block's k, A and B from the tile's first elements on.
ALWAYS_INLINE void tile_multiply(
  const int rows, const int vectors, const int fetches, const k_block *block, const float *a, const float *b, vf *acc) {
  const ptrdiff_t row_stride = block->a_row_stride, column_stride = block->gemm->a_column_stride;
  const ptrdiff_t panel_size = block->gemm->k * PANEL, depth = block->depth, ahead = block->fetched_distance;
  const float *fetched = b + ahead;
  for (ptrdiff_t k = 0; k < depth;) {
    // The rows are short streams, which the CPU's prefetchers find late; the first panel brings them in for all.
    if (vectors == 2 && block->fetches_rows) {
      UNROLL for (int i = 0; i < rows; i++) __builtin_prefetch(a + (rows + i) * row_stride);
    }
    for (const ptrdiff_t end = least(depth, k + GEMM_LINE); k < end; k++) {
      vf bk[WIDE];
      UNROLL for (int v = 0; v < vectors; v++) {
        const float *at = b + v / 2 * panel_size + v % 2 * VL;
        bk[v] = v_load(at);
        if (fetches == FETCH_ALL && v % 2 < PANEL_LINES) __builtin_prefetch(at + ahead);
      }
      if (fetches == FETCH_HALF) __builtin_prefetch(fetched), fetched += PANEL / 2;
      UNROLL for (int i = 0; i < rows; i++) {
        const vf ai = v_set1(a[i * row_stride]);
        UNROLL for (int v = 0; v < vectors; v++) acc[i * vectors + v] = v_fma(ai, bk[v], acc[i * vectors + v]);
      }
      a += column_stride;
      b += PANEL;
    }
  }
}

/// rows x vectors of C at (row, column), `columns` of them real; vector v reads its B at b + offset(v).
ALWAYS_INLINE void tile(
  const int rows, const int vectors, const k_block *block, ptrdiff_t row, ptrdiff_t column, ptrdiff_t columns) {
  const adze_gemm_f32 *g = block->gemm;
  const ptrdiff_t c_stride = g->c_row_stride, depth = block->depth;
  const float *a = block->a + (row - block->row) * block->a_row_stride;
  const float *b = g->b_packed + column / PANEL * g->k * PANEL + block->k_begin * PANEL;
  float *c = g->c + row * c_stride + column;
  const ptrdiff_t part = columns - (vectors - 1) * VL;
  const bool loads = !block->first || g->accumulates;

  vf acc[GEMM_ROWS * 2 > WIDE ? GEMM_ROWS * 2 : WIDE];
  UNROLL for (int i = 0; i < rows * vectors; i++) acc[i] = v_set1(0);
  if (loads) tile_read(rows, vectors, c, c_stride, part, acc);
  else if (vectors == 2 && depth > 2 * GEMM_LINE) tile_prefetch(rows, vectors, c, c_stride);
  // A line or two with each k: many at once would keep the loads of what is multiplied waiting.
  if (vectors > 1 && block->fetches == FETCH_ALL) tile_multiply(rows, vectors, FETCH_ALL, block, a, b, acc);
  else if (vectors == 2 && block->fetches == FETCH_HALF) tile_multiply(rows, vectors, FETCH_HALF, block, a, b, acc);
  else tile_multiply(rows, vectors, FETCH_NOTHING, block, a, b, acc);
  if (block->last) gemm_epilogue(rows, vectors, &g->epilogue, acc, row, column, part);
  tile_write(rows, vectors, acc, part, c, c_stride);
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

/// Rows [row, end) of a block against all columns: tiles of nearly equal height under GEMM_ROWS. While the first steps
/// multiply a panel, the next one comes.
static void many_rows(
  k_block *block, ptrdiff_t row, ptrdiff_t end, ptrdiff_t column, ptrdiff_t column_end, bool fetches_rows) {
  const ptrdiff_t first = column;
  const ptrdiff_t steps = (end - row + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t height = (end - row) / steps, taller = (end - row) % steps;
  const ptrdiff_t panel_size = block->gemm->k * PANEL;
  const float *b = block->gemm->b_packed + block->k_begin * PANEL;
  const float *after = b + column / PANEL * panel_size + (block->last ? 0 : block->depth * PANEL);
  for (; column < column_end; column += PANEL) {
    const ptrdiff_t columns = least(PANEL, column_end - column);
    const float *panel = b + column / PANEL * panel_size;
    const float *next = column + PANEL < column_end ? panel + panel_size : after;
    block->fetches_rows = fetches_rows && column == first;
    ptrdiff_t r = row;
    for (ptrdiff_t step = 0; step < steps; step++) {
      const ptrdiff_t rows = height + (step < taller);
      if (steps > 1) {
        block->fetches = step < 2 ? FETCH_HALF : FETCH_NOTHING;
        block->fetched_distance = next - panel + step * block->depth * (PANEL / 2);
      }
      tiles[rows - 1][columns > VL](block, r, column, columns);
      r += rows;
    }
  }
}

/// From row to row of a copy: an odd number of cache lines.
ALWAYS_INLINE ptrdiff_t copied_stride(ptrdiff_t rows) {
  return ((COPIED_ELEMENTS / rows / GEMM_LINE - 1) | 1) * GEMM_LINE;
}

/// Lets the block read its A from `copy`.
static void copy_a(k_block *block, ptrdiff_t rows, float *copy) {
  const ptrdiff_t stride = copied_stride(rows);
  for (ptrdiff_t i = 0; i < rows; i++) {
    memcpy(copy + i * stride, block->a + i * block->a_row_stride, (size_t)block->depth * sizeof *copy);
  }
  block->a = copy;
  block->a_row_stride = stride;
}

/// Rows [row, end) of columns [column, column_end), from the first k to the activation.
static void row_block(
  const adze_gemm_f32 *g, ptrdiff_t row, ptrdiff_t end, ptrdiff_t column, ptrdiff_t column_end, float *copy) {
  const ptrdiff_t rows = end - row;
  const bool once = rows <= GEMM_ROWS, streams = once && rows > 1 && g->n * g->k > STREAM_ELEMENTS;
  const ptrdiff_t limit = !once ? GEMM_DEPTH : copy ? least(STREAM_DEPTH, copied_stride(rows)) : STREAM_DEPTH;
  const ptrdiff_t blocks = most(1, (g->k + limit - 1) / limit);
  const ptrdiff_t depth = (g->k + blocks - 1) / blocks;
  for (ptrdiff_t i = 0; i < blocks; i++) {
    const ptrdiff_t k = i * depth;
    k_block block = {
      .gemm = g, .a = g->a + row * g->a_row_stride + k * g->a_column_stride, .a_row_stride = g->a_row_stride,
      .row = row, .k_begin = k, .depth = least(depth, g->k - k), .first = i == 0, .last = i == blocks - 1,
      .fetches = streams ? FETCH_ALL : FETCH_NOTHING, .fetched_distance = STREAM_DISTANCE};
    if (copy) copy_a(&block, rows, copy);
    if (rows <= 4) few_rows(&block, row, rows, column, column_end);
    else many_rows(&block, row, end, column, column_end, !once && !copy && g->a_column_stride == 1);
  }
  const adze_epilogue_f32 *e = &g->epilogue;
  if (!e->activation) return;
  for (ptrdiff_t r = row; r < end; r++) {
    float *c = g->c + r * g->c_row_stride + column;
    e->activation(c, c, column_end - column, e->alpha, e->beta);
  }
}

void KERNEL(gemm_f32)(
  const adze_gemm_f32 *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t column_begin = panel_begin * PANEL, column_end = least(panel_end * PANEL, g->n);
  if (column_begin >= column_end) return;
  // Worth it when the copy is read by several panels.
  const bool copies = g->a_column_stride == 1 && g->a_row_stride % CLASHING_STRIDE == 0 && row_end - row_begin > 4
    && column_end - column_begin > 2 * PANEL;
  const ptrdiff_t rows = copies ? COPIED_ROWS : GEMM_BLOCK_ROWS;
  const ptrdiff_t columns = g->k > GEMM_DEPTH && row_end - row_begin > GEMM_ROWS ? GEMM_BLOCK_COLUMNS : column_end;
  _Alignas(64) float copy[COPIED_ELEMENTS];
  for (ptrdiff_t row = row_begin; row < row_end; row += rows) {
    const ptrdiff_t end = least(row + rows, row_end);
    for (ptrdiff_t column = column_begin; column < column_end; column += columns) {
      row_block(g, row, end, column, least(column + columns, column_end), copies ? copy : NULL);
    }
  }
}

/// A panel of a B whose columns are contiguous: by square tiles.
static void pack_columns(const float *from, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t columns, float *to) {
  const ptrdiff_t whole_k = k - k % TRANSPOSE_TILE, whole_columns = columns - columns % TRANSPOSE_TILE;
  for (ptrdiff_t i = 0; i < whole_k; i += TRANSPOSE_TILE) {
    for (ptrdiff_t j = 0; j < whole_columns; j += TRANSPOSE_TILE) {
      v_transpose(from + j * n_stride + i, n_stride, to + i * PANEL + j, PANEL);
    }
  }
  for (ptrdiff_t i = 0; i < k; i++) {
    for (ptrdiff_t j = i < whole_k ? whole_columns : 0; j < columns; j++) to[i * PANEL + j] = from[j * n_stride + i];
    for (ptrdiff_t j = columns; j < PANEL; j++) to[i * PANEL + j] = 0;
  }
}

void KERNEL(pack_b_f32)(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, float *packed,
  ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    const float *from = b + panel * PANEL * n_stride;
    float *to = packed + panel * PANEL * k;
    const ptrdiff_t columns = least(PANEL, n - panel * PANEL);
    if (k_stride == 1 && n_stride != 1) {
      pack_columns(from, n_stride, k, columns, to);
      continue;
    }
    for (ptrdiff_t i = 0; i < k; i++, from += k_stride, to += PANEL) {
      if (n_stride == 1 && columns == PANEL) v_store(to, v_load(from)), v_store(to + VL, v_load(from + VL));
      else if (n_stride == 1) memcpy(to, from, (size_t)columns * sizeof *to);
      else for (ptrdiff_t j = 0; j < columns; j++) to[j] = from[j * n_stride];
      for (ptrdiff_t j = columns; j < PANEL; j++) to[j] = 0;
    }
  }
}
