// 8-bit product with sparse weights of any pattern, vectorised over columns. The including file sets TILE_ROWS (at most 12)
// and defines
//   vi window_words(const uint8_t *a, vi positions)  each byte of `positions` (0 … 15) replaced by that element of a[16]
//   vi dot_4(vi acc, vi a, vi b)  acc + the four products of each word, a unsigned, b signed
//   vi expand_positions(const uint8_t *p)  word j: bytes p[2 j] & 15, p[2 j + 1] & 15, p[2 j] >> 4, p[2 j + 1] >> 4
// and, where pair_dot_4, which saturates sums of two products as vpmaddubsw does, is there and faster, sets PAIRS to 1.
//
// A step multiplies up to four weights of each of VL columns that lie within 16 elements of k. Where its window begins is
// the step's own: at the first weight that is left in any of the columns. So a window without weights costs nothing, and
// a column with many delays its neighbours only when it is more than four ahead. With PAIRS the packer puts together
// what cannot overflow: a word's bytes 0 and 1, and 2 and 3, have positive weights of at most 128 in sum and negative ones
// of at least -128.
//
// Packed: byte offsets of the groups of VL columns (int64, one more than groups); of a group VL column sums (int32), the
// steps' windows (uint16, filled up to 4 bytes), then the steps: VL words of weights, VL * 2 bytes of positions.

#if PAIRS
#define WORD_DOT pair_dot_4
#else
#define WORD_DOT dot_4
#endif
#define PANEL VL
#define A_SHIFT 128
#include "gemm_i8_rows.h"

#define COLUMNS ADZE_SPARSE_PANEL
#define WINDOW 16
// Bytes of A that a call holds; k must fit with a window behind it.
#define A_BYTES 65536
#define STEP_BYTES (VL * 6)

typedef struct {
  const int32_t *column_sums;
  const uint16_t *windows;
  const uint8_t *steps;
  ptrdiff_t count;
} sparse_group;

ALWAYS_INLINE ptrdiff_t header_bytes(ptrdiff_t steps) { return VL * 4 + (steps + 1) / 2 * 4; }

ALWAYS_INLINE sparse_group group_at(const void *packed, ptrdiff_t group) {
  const int64_t *offsets = packed;
  const uint8_t *start = (const uint8_t *)packed + offsets[group];
  // A step takes its window and its bytes; the padding is less than that.
  const ptrdiff_t count = (offsets[group + 1] - offsets[group] - VL * 4) / (STEP_BYTES + 2);
  const void *sums = start, *windows = start + VL * 4;
  return (sparse_group){sums, windows, start + header_bytes(count), count};
}

/// rows x VL sums; row i of A lies at a + i * stride.
ALWAYS_INLINE void sparse_tile(
  const int rows, const sparse_group *group, const uint8_t *a, ptrdiff_t stride, int32_t *sums) {
  // One row has two chains, so that a step does not wait for the one before.
  const int side = rows < 3 ? 2 : 1;
  vi acc[2][TILE_ROWS];
  UNROLL for (int i = 0; i < rows; i++) acc[0][i] = acc[1][i] = vi_set1(0);
  const uint8_t *step = group->steps;
  ptrdiff_t s = 0;
  for (; s + side <= group->count; s += side) {
    UNROLL for (int j = 0; j < side; j++) {
      const uint8_t *window = a + group->windows[s + j];
      const vi weights = vi_load((const int32_t *)(const void *)step), positions = expand_positions(step + VL * 4);
      UNROLL for (int i = 0; i < rows; i++) {
        acc[j][i] = WORD_DOT(acc[j][i], window_words(window + i * stride, positions), weights);
      }
      step += STEP_BYTES;
    }
  }
  if (s < group->count) {
    const uint8_t *window = a + group->windows[s];
    const vi weights = vi_load((const int32_t *)(const void *)step), positions = expand_positions(step + VL * 4);
    UNROLL for (int i = 0; i < rows; i++) {
      acc[0][i] = WORD_DOT(acc[0][i], window_words(window + i * stride, positions), weights);
    }
  }
  UNROLL for (int i = 0; i < rows; i++) vi_store(sums + i * VL, side == 2 ? vi_add(acc[0][i], acc[1][i]) : acc[0][i]);
}

typedef void sparse_tile_fn(const sparse_group *group, const uint8_t *a, ptrdiff_t stride, int32_t *sums);
#define TILE(rows)                                                                                            \
  static void sparse_tile_##rows(const sparse_group *group, const uint8_t *a, ptrdiff_t stride, int32_t *s) { \
    sparse_tile(rows, group, a, stride, s);                                                                   \
  }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8)
#if TILE_ROWS > 8
TILE(9) TILE(10) TILE(11) TILE(12)
#endif
static sparse_tile_fn *const sparse_tiles[TILE_ROWS] = {
  sparse_tile_1, sparse_tile_2, sparse_tile_3, sparse_tile_4, sparse_tile_5, sparse_tile_6, sparse_tile_7, sparse_tile_8,
#if TILE_ROWS > 8
  sparse_tile_9, sparse_tile_10, sparse_tile_11, sparse_tile_12,
#endif
};

/// `count` rows as unsigned bytes, `stride` apart; what a window may read behind a row is zero.
static void convert_bytes(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t count, ptrdiff_t stride, i8_rows *rows, uint8_t *bytes) {
  const uint8_t flip = is_a_signed(g) ? 0x80 : 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    uint8_t *to = bytes + i * stride, space[QUANTIZED_PIECE];
    for (ptrdiff_t done = 0; done < g->k;) {
      const i8_piece piece = read_piece(g, row, i, done, g->k, needs_row_sums(g), rows, space);
      if (piece.stride == 1 && !flip) memcpy(to + done, piece.from, (size_t)piece.count);
      else if (piece.stride == 1) for (ptrdiff_t j = 0; j < piece.count; j++) to[done + j] = piece.from[j] ^ flip;
      else for (ptrdiff_t j = 0; j < piece.count; j++) to[done + j] = piece.from[j * piece.stride] ^ flip;
      done += piece.count;
    }
    memset(to + g->k, 0, (size_t)(stride - g->k));
  }
}

void KERNEL(gemm_sparse_i8)(
  const adze_gemm_i8 *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  _Alignas(64) uint8_t bytes[A_BYTES];
  _Alignas(64) int32_t sums[BLOCK_ROWS * VL];
  i8_rows values;
  const ptrdiff_t stride = g->k + WINDOW, column_begin = panel_begin * COLUMNS;
  const ptrdiff_t column_end = least(panel_end * COLUMNS, g->n), block_rows = least(BLOCK_ROWS, A_BYTES / stride);
  for (ptrdiff_t row = row_begin; row < row_end; row += block_rows) {
    const ptrdiff_t rows = least(block_rows, row_end - row);
    const ptrdiff_t steps = (rows + TILE_ROWS - 1) / TILE_ROWS, height = rows / steps, taller = rows % steps;
    find_row_ranges(g, row, rows, &values);
    convert_bytes(g, row, rows, stride, &values, bytes);
    for (ptrdiff_t column = column_begin; column < column_end; column += VL) {
      const sparse_group group = group_at(g->b_packed, column / VL);
      ptrdiff_t r = 0;
      for (ptrdiff_t step = 0; step < steps; step++) {
        const ptrdiff_t count = height + (step < taller);
        sparse_tiles[count - 1](&group, bytes + r * stride, stride, sums + r * VL);
        r += count;
      }
      finish_panel(g, row, rows, column, least(VL, column_end - column), sums, group.column_sums, &values);
    }
    activate(g, row, row + rows, column_begin, column_end);
  }
}

/// One group of columns that is being packed: where it stands in each, and the step that is being filled.
typedef struct {
  const uint8_t *from;  // the group's first column
  ptrdiff_t k_stride, n_stride, k, columns;
  uint8_t flip;
  ptrdiff_t next[VL];  // first element of k that is left and not zero, or k
} packing;

ALWAYS_INLINE int32_t weight_at(const packing *p, ptrdiff_t k, ptrdiff_t column) {
  return (int8_t)(p->from[k * p->k_stride + column * p->n_stride] ^ p->flip);
}

static void find_next(packing *p, ptrdiff_t column, ptrdiff_t k) {
  while (k < p->k && !weight_at(p, k, column)) k++;
  p->next[column] = k;
}

/// Takes what the window holds of one column, at most four weights, into slots of a word.
static void fill_word(packing *p, ptrdiff_t column, ptrdiff_t window, int8_t weights[4], uint8_t positions[4]) {
  int32_t sums[2][2] = {{0}};  // of a pair, by sign
  int filled[2] = {0, 0};
  while (p->next[column] < least(p->k, window + WINDOW)) {
    const ptrdiff_t k = p->next[column];
    const int32_t w = weight_at(p, k, column);
    int pair = -1;
    for (int q = 1; q >= 0; q--) {
      const int32_t sum = sums[q][w < 0] + w;
      if (filled[q] < 2 && (!PAIRS || (sum <= 128 && sum >= -128))) pair = q;
    }
    // An empty or half-filled pair may refuse the weight while the other would take the next; order is kept instead.
    if (pair < 0) return;
    const int slot = pair * 2 + filled[pair]++;
    sums[pair][w < 0] += w;
    weights[slot] = (int8_t)w;
    positions[slot] = (uint8_t)(k - window);
    find_next(p, column, k + 1);
  }
}

/// The steps of one group, written when there is a place for them. Returns their number.
static ptrdiff_t pack_group(packing *p, uint16_t *windows, uint8_t *steps) {
  ptrdiff_t count = 0;
  for (ptrdiff_t c = 0; c < p->columns; c++) find_next(p, c, 0);
  for (;; count++) {
    ptrdiff_t window = p->k;
    for (ptrdiff_t c = 0; c < p->columns; c++) window = least(window, p->next[c]);
    if (window == p->k) return count;
    int8_t weights[VL][4] = {{0}};
    uint8_t positions[VL][4] = {{0}};
    for (ptrdiff_t c = 0; c < p->columns; c++) fill_word(p, c, window, weights[c], positions[c]);
    if (!steps) continue;
    windows[count] = (uint16_t)window;
    memcpy(steps, weights, sizeof weights);
    for (int c = 0; c < VL; c++) {
      for (int j = 0; j < 2; j++) steps[VL * 4 + c * 2 + j] = (uint8_t)(positions[c][j] | positions[c][j + 2] << 4);
    }
    steps += STEP_BYTES;
  }
}

ptrdiff_t KERNEL(pack_b_sparse_i8)(
  const void *b, bool b_signed, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed) {
  if (k > ADZE_SPARSE_I8_DEPTH) return 0;
  const ptrdiff_t groups = (n + VL - 1) / VL;
  ptrdiff_t at = (groups + 1) * (ptrdiff_t)sizeof(int64_t);
  for (ptrdiff_t group = 0; group < groups; group++) {
    packing p = {(const uint8_t *)b + group * VL * n_stride, k_stride, n_stride, k, least(VL, n - group * VL),
      b_signed ? 0 : 0x80, {0}};
    // First the steps are counted: their number says where they begin.
    const ptrdiff_t count = pack_group(&p, NULL, NULL);
    if (packed) {
      uint8_t *start = (uint8_t *)packed + at;
      uint32_t sums[VL] = {0};
      for (ptrdiff_t i = 0; i < k; i++) {
        for (ptrdiff_t c = 0; c < p.columns; c++) sums[c] += (uint32_t)weight_at(&p, i, c);
      }
      ((int64_t *)packed)[group] = at;
      memset(start, 0, (size_t)header_bytes(count));
      memcpy(start, sums, sizeof sums);
      pack_group(&p, (uint16_t *)(void *)(start + VL * 4), start + header_bytes(count));
    }
    at += header_bytes(count) + count * STEP_BYTES;
  }
  if (packed) ((int64_t *)packed)[groups] = at;
  return at;
}
