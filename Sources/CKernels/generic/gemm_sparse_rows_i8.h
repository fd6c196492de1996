// 8-bit product with sparse weights of any pattern, vectorised over the rows of A: for many rows. The including file defines
//   void word_quads(const vi x[4], vi q[4])  of each 16 bytes i: word j of q[t] is the bytes 4 t + j of x[0], x[1], x[2], x[3]
//   vi dot_4(vi acc, vi a, vi b)  acc + the four products of each word, a unsigned, b signed
// and, where pair_dot_4, which saturates sums of two products as vpmaddubsw does, is there and faster, sets PAIRS to 1.
//
// A's rows are turned to bytes [k][ROWS] in scratch memory. Four weights of a column, from anywhere along k, meet ROWS rows:
// four vectors are interleaved to words, one of each row. With PAIRS the packer puts two weights beside each other only
// where they have opposite signs or are at most 128 in sum: then no sum of two products saturates.
//
// Packed: byte offsets of the panels (int64, one more than panels); of a panel its column sums and the ends of its columns'
// entries (int32), then the entries.

#if PAIRS
#define WORD_DOT pair_dot_4
#else
#define WORD_DOT dot_4
#endif
#define PANEL ADZE_SPARSE_PANEL
#define A_SHIFT 128
#define ROWS (4 * VL)
#define BLOCK_ROWS ROWS
#include "gemm_i8_rows.h"

// Elements of k that are turned at a time, and those of one step of it.
#define TURNED_PIECE QUANTIZED_PIECE
#define TURNED_STEP 16

typedef struct {
  uint16_t k[4];
  int8_t weights[4];
} rows_entry;

typedef struct {
  const int32_t *column_sums, *ends;
  const rows_entry *entries;
} rows_panel;

ALWAYS_INLINE rows_panel rows_panel_at(const void *packed, ptrdiff_t panel) {
  const void *start = (const char *)packed + ((const int64_t *)packed)[panel];
  const int32_t *sums = start;
  const void *entries = sums + 2 * PANEL;
  return (rows_panel){sums, sums + PANEL, entries};
}

/// Where a row's byte lies, so that the words of vector t are those of rows t * VL …
ALWAYS_INLINE ptrdiff_t place_of(ptrdiff_t row) { return row % VL / 4 * 16 + row / VL * 4 + row % 4; }

typedef uint8_t byte_vector __attribute__((vector_size(16)));

/// 16 elements of four rows to words [k][ROWS / 4].
ALWAYS_INLINE void turn_step(uint8_t rows[4][TURNED_PIECE], ptrdiff_t k, ptrdiff_t count, uint8_t *to) {
  byte_vector x[4];
  for (int i = 0; i < 4; i++) memcpy(&x[i], &rows[i][k], sizeof x[i]);
  uint32_t words[TURNED_STEP];
  const byte_vector low[2] = {
    __builtin_shufflevector(x[0], x[1], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
    __builtin_shufflevector(x[2], x[3], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)};
  const byte_vector high[2] = {
    __builtin_shufflevector(x[0], x[1], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
    __builtin_shufflevector(x[2], x[3], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)};
  const byte_vector y[4] = {
    __builtin_shufflevector(low[0], low[1], 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23),
    __builtin_shufflevector(low[0], low[1], 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31),
    __builtin_shufflevector(high[0], high[1], 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23),
    __builtin_shufflevector(high[0], high[1], 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31)};
  memcpy(words, y, sizeof words);
  for (ptrdiff_t i = 0; i < count; i++) memcpy(to + i * ROWS, &words[i], sizeof *words);
}

/// Rows [row, row + count) as unsigned bytes [k][ROWS]; rows that are not there hold anything.
static void turn_bytes(const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t count, i8_rows *values, uint8_t *to) {
  const uint8_t flip = is_a_signed(g) ? 0x80 : 0;
  uint8_t rows[4][TURNED_PIECE] = {{0}}, space[QUANTIZED_PIECE];
  for (ptrdiff_t r = 0; r < count; r += 4) {
    for (ptrdiff_t k = 0; k < g->k; k += TURNED_PIECE) {
      const ptrdiff_t end = least(g->k, k + TURNED_PIECE);
      for (ptrdiff_t i = 0; i < least(4, count - r); i++) {
        const i8_piece p = read_piece(g, row, r + i, k, end, needs_row_sums(g), values, space);
        if (p.stride == 1) for (ptrdiff_t j = 0; j < p.count; j++) rows[i][j] = p.from[j] ^ flip;
        else for (ptrdiff_t j = 0; j < p.count; j++) rows[i][j] = p.from[j * p.stride] ^ flip;
      }
      for (ptrdiff_t j = 0; j < end - k; j += TURNED_STEP) {
        turn_step(rows, j, least(TURNED_STEP, end - k - j), to + (k + j) * ROWS + place_of(r));
      }
    }
  }
}

/// One panel's columns: y [columns][ROWS].
static void rows_columns(const rows_panel *p, ptrdiff_t columns, const uint8_t *turned, int32_t *y) {
  const rows_entry *e = p->entries;
  for (ptrdiff_t c = 0; c < columns; c++) {
    const rows_entry *end = p->entries + p->ends[c];
    vi acc[4];
    UNROLL for (int t = 0; t < 4; t++) acc[t] = vi_set1(0);
    for (; e < end; e++) {
      vi x[4], q[4];
      int32_t weights;
      memcpy(&weights, e->weights, sizeof weights);
      UNROLL for (int j = 0; j < 4; j++) x[j] = vi_load((const int32_t *)(const void *)(turned + (ptrdiff_t)e->k[j] * ROWS));
      word_quads(x, q);
      UNROLL for (int t = 0; t < 4; t++) acc[t] = WORD_DOT(acc[t], q[t], vi_set1(weights));
    }
    UNROLL for (int t = 0; t < 4; t++) vi_store(y + c * ROWS + t * VL, acc[t]);
  }
}

/// y [PANEL][ROWS] to sums [ROWS][PANEL], of which `rows` and `columns` are needed.
static void turn_sums(const int32_t *y, ptrdiff_t rows, ptrdiff_t columns, int32_t *sums) {
  for (ptrdiff_t r = 0; r < rows; r += TRANSPOSE_TILE) {
    for (ptrdiff_t c = 0; c < columns; c += TRANSPOSE_TILE) {
      v_transpose(
        (const float *)(const void *)(y + c * ROWS + r), ROWS, (float *)(void *)(sums + r * PANEL + c), PANEL);
    }
  }
}

void KERNEL(gemm_sparse_rows_i8)(
  const adze_gemm_i8 *g, float *scratch, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  _Alignas(64) int32_t y[PANEL * ROWS], sums[ROWS * PANEL];
  uint8_t *turned = (uint8_t *)(void *)scratch;
  i8_rows values;
  const ptrdiff_t column_end = least(panel_end * PANEL, g->n);
  for (ptrdiff_t row = row_begin; row < row_end; row += ROWS) {
    const ptrdiff_t rows = least(ROWS, row_end - row);
    find_row_ranges(g, row, rows, &values);
    turn_bytes(g, row, rows, &values, turned);
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      const ptrdiff_t column = panel * PANEL, columns = least(PANEL, column_end - column);
      const rows_panel p = rows_panel_at(g->b_packed, panel);
      rows_columns(&p, columns, turned, y);
      turn_sums(y, rows, columns, sums);
      finish_panel(g, row, rows, column, columns, sums, p.column_sums, &values);
    }
    activate(g, row, row + rows, panel_begin * PANEL, column_end);
  }
}

// Weights of one column that have not found a neighbour yet.
#define WAITING 32

/// One column that is being packed: its entries, of which the last may be half full, and the weights that wait.
typedef struct {
  rows_entry *entries;  // null: they are counted only
  ptrdiff_t pairs, waiting;
  uint16_t k[WAITING];
  int8_t weights[WAITING];
} column_packing;

static void put_pair(column_packing *p, uint16_t k, int8_t w, uint16_t other_k, int8_t other_w) {
  if (p->entries) {
    rows_entry *e = &p->entries[p->pairs / 2];
    const int at = p->pairs % 2 * 2;
    if (at == 0) *e = (rows_entry){{k, other_k, k, k}, {0}};
    e->k[at] = k, e->k[at + 1] = other_k;
    e->weights[at] = w, e->weights[at + 1] = other_w;
  }
  p->pairs++;
}

static void take_waiting(column_packing *p, ptrdiff_t at) {
  p->waiting--;
  for (ptrdiff_t i = at; i < p->waiting; i++) p->k[i] = p->k[i + 1], p->weights[i] = p->weights[i + 1];
}

/// Puts a weight beside the first that waits and suits it, or lets it wait.
static void add_weight(column_packing *p, uint16_t k, int8_t w) {
  for (ptrdiff_t i = 0; i < p->waiting; i++) {
    const int32_t other = p->weights[i], sum = other + w;
    if (PAIRS && (other < 0) == (w < 0) && (sum > 128 || sum < -128)) continue;
    put_pair(p, p->k[i], (int8_t)other, k, w);
    take_waiting(p, i);
    return;
  }
  if (p->waiting == WAITING) {
    put_pair(p, p->k[0], p->weights[0], p->k[0], 0);
    take_waiting(p, 0);
  }
  p->k[p->waiting] = k;
  p->weights[p->waiting++] = w;
}

ptrdiff_t KERNEL(pack_b_sparse_rows_i8)(
  const void *b, bool b_signed, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed) {
  if (k > ADZE_SPARSE_I8_DEPTH) return 0;
  const ptrdiff_t panels = (n + PANEL - 1) / PANEL;
  const uint8_t flip = b_signed ? 0 : 0x80;
  ptrdiff_t at = (panels + 1) * (ptrdiff_t)sizeof(int64_t);
  for (ptrdiff_t panel = 0; panel < panels; panel++) {
    if (packed) ((int64_t *)packed)[panel] = at;
    const rows_panel p = packed ? rows_panel_at(packed, panel) : (rows_panel){0};
    ptrdiff_t count = 0;
    for (ptrdiff_t c = 0; c < PANEL; c++) {
      const ptrdiff_t column = panel * PANEL + c;
      const uint8_t *from = (const uint8_t *)b + column * n_stride;
      column_packing packing = {.entries = packed ? (rows_entry *)p.entries + count : NULL};
      uint32_t sum = 0;
      for (ptrdiff_t i = 0; i < k && column < n; i++) {
        const int8_t w = (int8_t)(from[i * k_stride] ^ flip);
        sum += (uint32_t)(int32_t)w;
        if (w) add_weight(&packing, (uint16_t)i, w);
      }
      for (ptrdiff_t i = 0; i < packing.waiting; i++) put_pair(&packing, packing.k[i], packing.weights[i], packing.k[i], 0);
      count += (packing.pairs + 1) / 2;
      if (!packed) continue;
      ((int32_t *)p.column_sums)[c] = (int32_t)sum;
      ((int32_t *)p.ends)[c] = (int32_t)count;
    }
    at += (2 * PANEL * 4 + count * (ptrdiff_t)sizeof(rows_entry) + 7) / 8 * 8;
  }
  if (packed) ((int64_t *)packed)[panels] = at;
  return at;
}
