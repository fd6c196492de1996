// Product with sparse weights of any pattern, vectorised over columns: for few rows. The including file sets TILE_ROWS (at
// least 4, at most 8) and defines
//   vf window_floats(const float *a, vi positions)  a[positions % VL], lane by lane
//   vf fma_present(vf x, vf w, vf acc, vi positions)  v_fma(x, w, acc) where positions are negative, acc elsewhere
//
// A step takes at most one weight of each of VL columns, all of them within VL elements of k. Its window begins at the
// first weight that is left in any of the columns, so that a column waits for its neighbours only when it is a window
// ahead. Each column takes its weights in ascending order: the chain is the one of gemm_sparse_f32.
//
// Packed: byte offsets of the groups of VL columns (int64, one more than groups); of a group its steps' windows (int32,
// filled up to 8 bytes), then the steps: VL weights, VL positions (int8, less 128 where there is a weight).
#include "epilogue_f32.h"

#define COLUMNS ADZE_SPARSE_PANEL
#define STEP_BYTES (VL * 5)
#define PRESENT 128

typedef struct {
  const int32_t *windows;
  const int8_t *steps;
  ptrdiff_t count;
} column_group;

ALWAYS_INLINE column_group group_at(const void *packed, ptrdiff_t group) {
  const int64_t *offsets = packed;
  const int8_t *start = (const int8_t *)packed + offsets[group];
  const ptrdiff_t count = (offsets[group + 1] - offsets[group]) / (STEP_BYTES + 4);
  const void *windows = start;
  return (column_group){windows, start + (count + 1) / 2 * 8, count};
}

/// Step s of one group onto `rows` chains.
ALWAYS_INLINE void take_step(
  const int rows, const column_group *g, ptrdiff_t s, const float *a, ptrdiff_t stride, vf acc[TILE_ROWS]) {
  const int8_t *step = g->steps + s * STEP_BYTES;
  const float *window = a + g->windows[s];
  const vf weights = v_load((const float *)(const void *)step);
  const vi positions = vi_load_s8(step + VL * 4);
  UNROLL for (int i = 0; i < rows; i++) {
    acc[i] = fma_present(window_floats(window + i * stride, positions), weights, acc[i], positions);
  }
}

/// rows x (groups * VL) of C. The groups go side by side, so that no step waits for the one before.
ALWAYS_INLINE void columns_tile(
  const int rows, const int groups, const adze_gemm_sparse_f32 *g, const float *a, ptrdiff_t stride, ptrdiff_t row,
  ptrdiff_t column) {
  column_group group[4];
  vf acc[4][TILE_ROWS];
  ptrdiff_t common = PTRDIFF_MAX;
  UNROLL for (int q = 0; q < groups; q++) {
    group[q] = group_at(g->b_packed, column / VL + q);
    common = least(common, group[q].count);
    UNROLL for (int i = 0; i < rows; i++) acc[q][i] = v_set1(0);
  }
  for (ptrdiff_t s = 0; s < common; s++) {
    UNROLL for (int q = 0; q < groups; q++) take_step(rows, &group[q], s, a, stride, acc[q]);
  }
  UNROLL for (int q = 0; q < groups; q++) {
    for (ptrdiff_t s = common; s < group[q].count; s++) take_step(rows, &group[q], s, a, stride, acc[q]);
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int q = 0; q < groups; q++) {
      const ptrdiff_t part = g->n - column - q * VL;
      float *c = g->c + (row + i) * g->c_row_stride + column + q * VL;
      if (part >= VL) v_store(c, acc[q][i]);
      else if (part > 0) v_store_part(c, acc[q][i], part);
    }
  }
}

typedef void columns_tile_fn(
  const adze_gemm_sparse_f32 *g, const float *a, ptrdiff_t stride, ptrdiff_t row, ptrdiff_t column);
#define TILE(rows, groups)                                                                                          \
  static void columns_tile_##rows##x##groups(                                                                       \
    const adze_gemm_sparse_f32 *g, const float *a, ptrdiff_t stride, ptrdiff_t row, ptrdiff_t column) {             \
    columns_tile(rows, groups, g, a, stride, row, column);                                                          \
  }
TILE(1, 4) TILE(2, 4) TILE(3, 2) TILE(4, 2) TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1)
#if TILE_ROWS > 4
TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1)
#endif
static columns_tile_fn *const single_groups[TILE_ROWS] = {
  columns_tile_1x1, columns_tile_2x1, columns_tile_3x1, columns_tile_4x1,
#if TILE_ROWS > 4
  columns_tile_5x1, columns_tile_6x1, columns_tile_7x1, columns_tile_8x1,
#endif
};
static columns_tile_fn *const side_groups[4] = {columns_tile_1x4, columns_tile_2x4, columns_tile_3x2, columns_tile_4x2};

/// Up to TILE_ROWS rows against columns [column, end).
static void columns_rows(
  const adze_gemm_sparse_f32 *g, const float *a, ptrdiff_t stride, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column,
  ptrdiff_t end) {
  const ptrdiff_t side = rows <= 2 ? 4 : rows <= 4 ? 2 : 1;
  for (; side > 1 && column + (side - 1) * VL < end; column += side * VL) side_groups[rows - 1](g, a, stride, row, column);
  for (; column < end; column += VL) single_groups[rows - 1](g, a, stride, row, column);
}

void KERNEL(gemm_sparse_columns_f32)(
  const adze_gemm_sparse_f32 *g, float *scratch, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  (void)scratch;
  const ptrdiff_t column = panel_begin * COLUMNS, end = least(panel_end * COLUMNS, g->n);
  if (column >= end) return;
  for (ptrdiff_t row = row_begin; row < row_end;) {
    const ptrdiff_t tiles = (row_end - row + TILE_ROWS - 1) / TILE_ROWS, rows = (row_end - row + tiles - 1) / tiles;
    const float *a = g->a + row * g->a_row_stride;
    ptrdiff_t stride = g->a_row_stride;
    float padded[TILE_ROWS * VL] = {0};
    if (g->k < VL) {
      // A window would reach past the row.
      for (ptrdiff_t i = 0; i < rows; i++) memcpy(padded + i * VL, a + i * stride, (size_t)g->k * sizeof *a);
      a = padded;
      stride = VL;
    }
    columns_rows(g, a, stride, row, rows, column, end);
    finish_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, column, end - column);
    activate_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, column, end);
    row += rows;
  }
}

/// One group of columns that is being packed.
typedef struct {
  const float *from;  // the group's first column
  ptrdiff_t k_stride, n_stride, k, columns;
  ptrdiff_t next[VL];  // first element of k that is left and not zero, or k
} packing;

static void find_next(packing *p, ptrdiff_t column, ptrdiff_t k) {
  while (k < p->k && p->from[k * p->k_stride + column * p->n_stride] == 0) k++;
  p->next[column] = k;
}

/// The steps of one group, written when there is a place for them. Returns their number.
static ptrdiff_t pack_group(packing *p, int32_t *windows, int8_t *steps) {
  ptrdiff_t count = 0;
  for (ptrdiff_t c = 0; c < p->columns; c++) find_next(p, c, 0);
  for (;; count++) {
    ptrdiff_t window = p->k;
    for (ptrdiff_t c = 0; c < p->columns; c++) window = least(window, p->next[c]);
    if (window == p->k) return count;
    // No window reaches past a row.
    window = most(0, least(window, p->k - VL));
    float weights[VL] = {0};
    int8_t positions[VL] = {0};
    for (ptrdiff_t c = 0; c < p->columns; c++) {
      const ptrdiff_t k = p->next[c];
      if (k >= least(p->k, window + VL)) continue;
      weights[c] = p->from[k * p->k_stride + c * p->n_stride];
      positions[c] = (int8_t)(k - window - PRESENT);
      find_next(p, c, k + 1);
    }
    if (!steps) continue;
    windows[count] = (int32_t)window;
    memcpy(steps, weights, sizeof weights);
    memcpy(steps + VL * 4, positions, sizeof positions);
    steps += STEP_BYTES;
  }
}

ptrdiff_t KERNEL(pack_b_sparse_columns_f32)(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed) {
  const ptrdiff_t groups = (n + VL - 1) / VL;
  ptrdiff_t at = (groups + 1) * (ptrdiff_t)sizeof(int64_t);
  for (ptrdiff_t group = 0; group < groups; group++) {
    packing p = {b + group * VL * n_stride, k_stride, n_stride, k, least(VL, n - group * VL), {0}};
    // First the steps are counted: their number says where they begin.
    const ptrdiff_t count = pack_group(&p, NULL, NULL), header = (count + 1) / 2 * 8;
    if (packed) {
      int8_t *start = (int8_t *)packed + at;
      ((int64_t *)packed)[group] = at;
      memset(start, 0, (size_t)header);
      pack_group(&p, (int32_t *)(void *)start, start + header);
    }
    at += (header + count * STEP_BYTES + 7) / 8 * 8;
  }
  if (packed) ((int64_t *)packed)[groups] = at;
  return at;
}
