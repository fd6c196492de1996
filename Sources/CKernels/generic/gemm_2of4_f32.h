// Product with weights of which each column has at most two in every four elements of k (2:4 sparsity). The including file
// sets TILE_ROWS (4 or 8) and defines
//   vf four_floats(const float *a)  a[0 ... 3], again and again
//   vf chosen(vf x, vi positions)   in each lane that of x's four elements that the lane's low two bits name
//
// Vectorised over columns: a vector of weights meets those of four elements of A that its positions name. Two weights and
// half a byte of positions stand for four weights: 8.5 bytes of 16.
//
// Packed: panels of 2 * VL columns; of a panel a record for each 32 elements of k: [2 * VL] words of positions, from the
// lowest bits up two bits for each of 16 weights, then for each four elements two vectors of first and of second weights.
#include "epilogue_f32.h"

#define COLUMNS ADZE_SPARSE_PANEL
#define HALF_PANEL (2 * VL)
#define GROUPS 8

ALWAYS_INLINE ptrdiff_t group_count(ptrdiff_t k) { return (k + 3) / 4; }
ALWAYS_INLINE ptrdiff_t record_floats(ptrdiff_t groups) { return HALF_PANEL * (1 + 2 * groups); }
ALWAYS_INLINE ptrdiff_t panel_floats(ptrdiff_t k) {
  const ptrdiff_t groups = group_count(k);
  return (groups + GROUPS - 1) / GROUPS * HALF_PANEL + groups * 2 * HALF_PANEL;
}

/// A run of rows: all but the last elements of k as they lie, the last four filled up with zeros.
typedef struct {
  const adze_gemm_sparse_f32 *gemm;
  const float *a;
  float last[TILE_ROWS][4];
} tile_rows;

/// rows x (vectors * VL) of C from `column` on, which begins a panel.
ALWAYS_INLINE void tile_2of4(
  const int rows, const int vectors, const tile_rows *t, ptrdiff_t row, ptrdiff_t column) {
  const adze_gemm_sparse_f32 *g = t->gemm;
  const ptrdiff_t groups = group_count(g->k), panel = panel_floats(g->k);
  const float *record = (const float *)g->b_packed + column / HALF_PANEL * panel;
  vf acc[TILE_ROWS * 2 > 8 ? TILE_ROWS * 2 : 8];
  UNROLL for (int i = 0; i < rows * vectors; i++) acc[i] = v_set1(0);
  for (ptrdiff_t first = 0; first < groups; first += GROUPS) {
    const ptrdiff_t count = least(GROUPS, groups - first);
    for (ptrdiff_t j = 0; j < count; j++) {
      const bool is_last = (first + j) * 4 + 4 > g->k;
      UNROLL for (int v = 0; v < vectors; v++) {
        const float *at = record + v / 2 * panel + v % 2 * VL, *weights = at + HALF_PANEL * (1 + 2 * j);
        const vi positions = vi_shift_right(vi_load((const int32_t *)(const void *)at), (int)(4 * j));
        const vi others = vi_shift_right(positions, 2);
        const vf w0 = v_load(weights), w1 = v_load(weights + HALF_PANEL);
        UNROLL for (int i = 0; i < rows; i++) {
          const vf x = four_floats(is_last ? t->last[i] : t->a + i * g->a_row_stride + (first + j) * 4);
          vf *sum = &acc[i * vectors + v];
          *sum = v_fma(chosen(x, positions), w0, *sum);
          *sum = v_fma(chosen(x, others), w1, *sum);
        }
      }
    }
    record += record_floats(count);
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      const ptrdiff_t part = g->n - column - v * VL;
      float *c = g->c + (row + i) * g->c_row_stride + column + v * VL;
      if (part >= VL) v_store(c, acc[i * vectors + v]);
      else if (part > 0) v_store_part(c, acc[i * vectors + v], part);
    }
  }
}

typedef void tile_fn(const tile_rows *t, ptrdiff_t row, ptrdiff_t column);
#define TILE(rows, vectors)                                                                       \
  static void tile_##rows##x##vectors(const tile_rows *t, ptrdiff_t row, ptrdiff_t column) {      \
    tile_2of4(rows, vectors, t, row, column);                                                     \
  }
// Few rows go over several panels, so that their chains do not wait for each other.
#if VL < 16
TILE(1, 8)
#define WIDEST tile_1x8
#define WIDEST_VECTORS 8
#else
TILE(1, 4)
#define WIDEST tile_1x4
#define WIDEST_VECTORS 4
#endif
TILE(2, 4) TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2)
#if TILE_ROWS > 4
TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2)
#endif
static tile_fn *const tiles[TILE_ROWS] = {
  tile_1x2, tile_2x2, tile_3x2, tile_4x2,
#if TILE_ROWS > 4
  tile_5x2, tile_6x2, tile_7x2, tile_8x2,
#endif
};

static void multiply_rows(const tile_rows *t, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column, ptrdiff_t end) {
  const ptrdiff_t wide = rows == 1 ? WIDEST_VECTORS : rows == 2 ? 4 : 2;
  for (; wide > 2 && column + (wide - 2) * VL < end; column += wide * VL) {
    (rows == 1 ? WIDEST : tile_2x4)(t, row, column);
  }
  for (; column < end; column += HALF_PANEL) tiles[rows - 1](t, row, column);
}

void KERNEL(gemm_2of4_f32)(
  const adze_gemm_sparse_f32 *g, float *scratch, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  (void)scratch;
  const ptrdiff_t begin = panel_begin * COLUMNS, column_end = least(panel_end * COLUMNS, g->n);
  if (begin >= column_end || row_begin >= row_end) return;
  // A panel's weights stay in the first cache while all rows go over it.
  for (ptrdiff_t column = begin; column < column_end; column += COLUMNS) {
    const ptrdiff_t end = least(column + COLUMNS, column_end);
    for (ptrdiff_t row = row_begin; row < row_end;) {
      const ptrdiff_t steps = (row_end - row + TILE_ROWS - 1) / TILE_ROWS, rows = (row_end - row + steps - 1) / steps;
      tile_rows t = {.gemm = g, .a = g->a + row * g->a_row_stride};
      const ptrdiff_t whole = g->k / 4 * 4;
      for (ptrdiff_t i = 0; i < rows && whole < g->k; i++) {
        memcpy(t.last[i], t.a + i * g->a_row_stride + whole, (size_t)(g->k - whole) * sizeof(float));
      }
      multiply_rows(&t, row, rows, column, end);
      row += rows;
    }
  }
  finish_part(&g->epilogue, g->c, g->c_row_stride, row_begin, row_end, begin, column_end - begin);
  activate_part(&g->epilogue, g->c, g->c_row_stride, row_begin, row_end, begin, column_end);
}

ptrdiff_t KERNEL(pack_b_2of4_f32)(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed) {
  const ptrdiff_t groups = group_count(k), panel = panel_floats(k);
  // Whole panels of COLUMNS, because a tile goes over several at once.
  const ptrdiff_t columns = (n + COLUMNS - 1) / COLUMNS * COLUMNS, bytes = columns / HALF_PANEL * panel * 4;
  if (packed) memset(packed, 0, (size_t)bytes);
  for (ptrdiff_t group = 0; group < groups; group++) {
    for (ptrdiff_t c = 0; c < n; c++) {
      const ptrdiff_t first = group / GROUPS * GROUPS, j = group - first;
      float *record = packed ? (float *)packed + c / HALF_PANEL * panel + first / GROUPS * record_floats(GROUPS) : NULL;
      ptrdiff_t count = 0;
      for (ptrdiff_t i = 0; i < least(4, k - group * 4); i++) {
        const float weight = b[(group * 4 + i) * k_stride + c * n_stride];
        if (weight == 0) continue;
        if (count == 2) return 0;
        if (packed) {
          uint32_t word;
          memcpy(&word, record + c % HALF_PANEL, sizeof word);
          word |= (uint32_t)i << (4 * j + 2 * count);
          memcpy(record + c % HALF_PANEL, &word, sizeof word);
          record[HALF_PANEL * (1 + 2 * j + count) + c % HALF_PANEL] = weight;
        }
        count++;
      }
    }
  }
  return bytes + (bytes == 0) * 8;
}
