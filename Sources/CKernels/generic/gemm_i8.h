// 8-bit GEMM, exact in int32. The including file sets GEMM_ROWS (at most 14) and GROUP, the elements of k that one
// step multiplies (1, 2 or 4), and defines
//   vi group_step(vi acc, vi a, const int8_t *b)   acc[j] + Σ_g a.g * b[j * GROUP + g]
// where every lane of `a` holds one 32-bit word of GROUP elements: int32, two int16, or four uint8.
//
// B is stored signed (uint8 less 128); four-element words hold A unsigned (int8 plus 128), or signed (uint8 less 128) where
// SIGNED_WORDS is set. The shifts move into the zero points. Sums are unsigned modulo 2^32, so order and overflow cannot change a result.
//
// A packed panel: PANEL column sums (int32), then [k / GROUP][PANEL][GROUP] bytes.

#define PANEL (2 * VL)
#ifdef SIGNED_WORDS
#define A_SHIFT 0
#define A_UNSIGNED_SHIFT -128
#else
#define A_SHIFT (GROUP == 4 ? 128 : 0)
#define A_UNSIGNED_SHIFT 0
#endif
// Words of A that a call converts at a time, on the stack.
#define A_WORDS 16384

// One step of STREAM_ROWS and more reads each panel once: it asks for B STREAM_DISTANCE bytes ahead where the product is
// large, as B can then lie outside of the second cache. More steps bring the next panel during the first ones.
#define STREAM_ROWS (GEMM_ROWS > 6 ? 5 : 4)
#define STREAM_PRODUCTS (1 << 22)
#define STREAM_DISTANCE 8192
// Cache lines of a panel's group; narrower panels prefetch nothing.
#define GROUP_LINES (PANEL * GROUP / 64)

#include "gemm_i8_rows.h"

/// What a tile brings of B, from `distance` bytes behind what it multiplies: with each group half a panel's row, or all.
typedef struct {
  ptrdiff_t distance;
  enum { I8_FETCH_NOTHING, I8_FETCH_HALF, I8_FETCH_ALL } amount;
} i8_fetch;

ALWAYS_INLINE ptrdiff_t group_count(ptrdiff_t k) { return (k + GROUP - 1) / GROUP; }

ALWAYS_INLINE void convert_row(const void *a, bool is_signed, ptrdiff_t stride, ptrdiff_t count, int32_t *words) {
  words[group_count(count) - 1] = 0;
#if GROUP == 4
  typedef uint8_t element;
  element *to = (element *)words;
  const uint8_t flip = (is_signed ? A_SHIFT : A_UNSIGNED_SHIFT) != 0 ? 0x80 : 0;
  const uint8_t *from = a;
  if (stride == 1) for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i] ^ flip;
  else for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i * stride] ^ flip;
#else
#if GROUP == 2
  typedef int16_t element;
#else
  typedef int32_t element;
#endif
  element *to = (element *)words;
  if (is_signed) {
    const int8_t *from = a;
    if (stride == 1) for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i];
    else for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i * stride];
  } else {
    const uint8_t *from = a;
    if (stride == 1) for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i];
    else for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i * stride];
  }
#endif
}

/// Steps of k that go side by side, so that enough chains are in flight: sums of integers may be taken in any order.
HELPER int side_steps(const int rows) { return rows == 1 ? 4 : rows < 4 || GEMM_ROWS > 6 ? rows > 4 ? 1 : 2 : 1; }

/// rows x PANEL sums; `words` are the rows' converted A, `b` the panel's bytes of this chunk.
ALWAYS_INLINE void i8_tile(
  const int rows, const int steps, const int amount, ptrdiff_t ahead, ptrdiff_t groups, const int32_t *words,
  const int8_t *b, bool resumes, int32_t *sums) {
  vi acc[4][GEMM_ROWS][2];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) {
      UNROLL for (int s = 0; s < steps; s++) acc[s][i][v] = vi_set1(0);
      if (resumes) acc[0][i][v] = vi_load(sums + i * PANEL + v * VL);
    }
  }
  const int8_t *fetched = b + ahead;
  ptrdiff_t k = 0;
  for (; k + steps <= groups; k += steps) {
    UNROLL for (int s = 0; s < steps; s++) {
      // A line or two with each group: many at once would keep the loads of what is multiplied waiting.
      if (amount == I8_FETCH_ALL) UNROLL for (int i = 0; i < GROUP_LINES; i++) __builtin_prefetch(b + ahead + i * 64);
      if (amount == I8_FETCH_HALF) __builtin_prefetch(fetched), fetched += PANEL * GROUP / 2;
      UNROLL for (int i = 0; i < rows; i++) {
        const vi a = vi_set1(words[i * groups + k + s]);
        UNROLL for (int v = 0; v < 2; v++) acc[s][i][v] = group_step(acc[s][i][v], a, b + v * VL * GROUP);
      }
      b += PANEL * GROUP;
    }
  }
  for (; k < groups; k++) {
    UNROLL for (int i = 0; i < rows; i++) {
      const vi a = vi_set1(words[i * groups + k]);
      UNROLL for (int v = 0; v < 2; v++) acc[0][i][v] = group_step(acc[0][i][v], a, b + v * VL * GROUP);
    }
    b += PANEL * GROUP;
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) {
      UNROLL for (int s = 1; s < steps; s++) acc[0][i][v] = vi_add(acc[0][i][v], acc[s][i][v]);
      vi_store(sums + i * PANEL + v * VL, acc[0][i][v]);
    }
  }
}

typedef void i8_tile_fn(
  i8_fetch fetch, ptrdiff_t groups, const int32_t *words, const int8_t *b, bool resumes, int32_t *sums);
#define TILE_OF(rows, amount) i8_tile(rows, side_steps(rows), amount, fetch.distance, groups, words, b, resumes, s)
#define TILE(rows)                                                                                       \
  static void i8_tile_##rows(                                                                            \
    i8_fetch fetch, ptrdiff_t groups, const int32_t *words, const int8_t *b, bool resumes, int32_t *s) { \
    const bool all = GROUP_LINES > 0 && rows >= STREAM_ROWS && fetch.amount == I8_FETCH_ALL;             \
    const bool half = GROUP_LINES > 1 && rows > GEMM_ROWS / 2 && fetch.amount == I8_FETCH_HALF;          \
    if (all) TILE_OF(rows, I8_FETCH_ALL);                                                                \
    else if (half) TILE_OF(rows, I8_FETCH_HALF);                                                         \
    else TILE_OF(rows, I8_FETCH_NOTHING);                                                                \
  }
TILE(1) TILE(2) TILE(3) TILE(4)
#if GEMM_ROWS > 4
TILE(5) TILE(6)
#endif
#if GEMM_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
#if GEMM_ROWS > 12
TILE(13) TILE(14)
#endif
static i8_tile_fn *const i8_tiles[GEMM_ROWS] = {
  i8_tile_1, i8_tile_2, i8_tile_3, i8_tile_4,
#if GEMM_ROWS > 4
  i8_tile_5, i8_tile_6,
#endif
#if GEMM_ROWS > 6
  i8_tile_7, i8_tile_8, i8_tile_9, i8_tile_10, i8_tile_11, i8_tile_12,
#endif
#if GEMM_ROWS > 12
  i8_tile_13, i8_tile_14,
#endif
};

/// Elements [k, k + depth) of `count` rows to words, `groups` for a row.
static void convert_rows(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t count, ptrdiff_t k, ptrdiff_t depth, bool sums, i8_rows *rows,
  int32_t *words) {
  const ptrdiff_t groups = group_count(depth);
  for (ptrdiff_t i = 0; i < count; i++) {
    uint8_t space[QUANTIZED_PIECE];
    for (ptrdiff_t done = 0; done < depth;) {
      const i8_piece piece = read_piece(g, row, i, k + done, k + depth, sums, rows, space);
      convert_row(piece.from, is_a_signed(g), piece.stride, piece.count, words + i * groups + done / GROUP);
      done += piece.count;
    }
  }
}

/// All tiles of `rows` converted rows against one chunk of a panel; `next` is multiplied after it. `streams`: one step
/// of rows asks for what lies further on.
static void multiply_chunk(
  ptrdiff_t rows, ptrdiff_t groups, const int32_t *words, const int8_t *b, const int8_t *next, bool streams,
  bool resumes, int32_t *sums) {
  const ptrdiff_t steps = (rows + GEMM_ROWS - 1) / GEMM_ROWS, height = rows / steps, taller = rows % steps;
  ptrdiff_t r = 0;
  i8_fetch fetch = {STREAM_DISTANCE, streams && steps == 1 && rows >= STREAM_ROWS ? I8_FETCH_ALL : I8_FETCH_NOTHING};
  for (ptrdiff_t step = 0; step < steps; step++) {
    const ptrdiff_t count = height + (step < taller);
    if (steps > 1) {
      fetch.amount = step >= GROUP_LINES ? I8_FETCH_NOTHING : GROUP_LINES == 1 ? I8_FETCH_ALL : I8_FETCH_HALF;
      fetch.distance = next - b + step * groups * (PANEL * GROUP / 2);
    }
    i8_tiles[count - 1](fetch, groups, words + r * groups, b, resumes, sums + r * PANEL);
    r += count;
  }
}

void KERNEL(gemm_i8)(
  const adze_gemm_i8 *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  _Alignas(64) int32_t words[A_WORDS];
  _Alignas(64) int32_t sums[BLOCK_ROWS * PANEL];
  i8_rows values;
  const ptrdiff_t groups = group_count(g->k), panel_bytes = PANEL * (groups * GROUP + (ptrdiff_t)sizeof(int32_t));
  const ptrdiff_t column_end = least(panel_end * PANEL, g->n);
  const ptrdiff_t chunk = most(1, least(groups, A_WORDS / most(1, least(GEMM_ROWS, row_end - row_begin))));
  const ptrdiff_t block_rows = least(BLOCK_ROWS, A_WORDS / chunk);
  const int8_t *first = (const int8_t *)g->b_packed + panel_begin * panel_bytes;
  for (ptrdiff_t row = row_begin; row < row_end; row += block_rows) {
    const ptrdiff_t rows = least(block_rows, row_end - row);
    find_row_ranges(g, row, rows, &values);
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      const int8_t *b = (const int8_t *)g->b_packed + panel * panel_bytes;
      int32_t column_sums[PANEL];
      memcpy(column_sums, b, sizeof column_sums);
      if (g->k == 0) memset(sums, 0, sizeof sums);
      for (ptrdiff_t k = 0; k < g->k; k += chunk * GROUP) {
        const ptrdiff_t depth = least(g->k - k, chunk * GROUP);
        const bool is_first = panel == panel_begin;
        if (chunk < groups || is_first) {
          convert_rows(g, row, rows, k, depth, is_first && needs_row_sums(g), &values, words);
        }
        const int8_t *from = b + sizeof column_sums + k * PANEL;
        const int8_t *next = k + depth < g->k ? from + depth * PANEL
          : panel + 1 < panel_end ? b + panel_bytes + sizeof column_sums : first + sizeof column_sums;
        const bool streams = rows * g->n * g->k > STREAM_PRODUCTS;
        multiply_chunk(rows, group_count(depth), words, from, next, streams, k > 0, sums);
      }
      const ptrdiff_t column = panel * PANEL;
      finish_panel(g, row, rows, column, least(PANEL, column_end - column), sums, column_sums, &values);
    }
    activate(g, row, row + rows, panel_begin * PANEL, column_end);
  }
}

#if GROUP == 4
/// Four rows of B as the words of whole groups, so that the compiler finds the shuffles; adds to the columns' sums.
ALWAYS_INLINE void pack_words(
  const uint8_t *restrict from, ptrdiff_t k_stride, ptrdiff_t columns, uint32_t flip, uint32_t *restrict words,
  uint32_t *restrict sums) {
  const uint8_t *restrict b = from + k_stride, *restrict c = b + k_stride, *restrict d = c + k_stride;
  for (ptrdiff_t j = 0; j < columns; j++) {
    const uint32_t word = (from[j] | (uint32_t)b[j] << 8 | (uint32_t)c[j] << 16 | (uint32_t)d[j] << 24) ^ flip;
    words[j] = word;
    sums[j] += (uint32_t)((int32_t)(word << 24) >> 24) + (uint32_t)((int32_t)(word << 16) >> 24)
      + (uint32_t)((int32_t)(word << 8) >> 24) + (uint32_t)((int32_t)word >> 24);
  }
}
#endif

void KERNEL(pack_b_i8)(
  const void *b, bool b_signed, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed,
  ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t groups = group_count(k), panel_bytes = PANEL * (groups * GROUP + (ptrdiff_t)sizeof(int32_t));
  const uint8_t flip = b_signed ? 0 : 0x80;
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    const uint8_t *from = (const uint8_t *)b + panel * PANEL * n_stride;
    int8_t *to = (int8_t *)packed + panel * panel_bytes, *elements = to + PANEL * sizeof(int32_t);
    const ptrdiff_t columns = least(PANEL, n - panel * PANEL);
    uint32_t sums[PANEL] = {0};
    ptrdiff_t i = 0;
#if GROUP == 4
    if (n_stride == 1 && columns == PANEL) {
      for (; i + 4 <= k; i += 4) {
        uint32_t *words = (uint32_t *)(void *)(elements + i * PANEL);
        pack_words(from + i * k_stride, k_stride, PANEL, flip * 0x01010101u, words, sums);
      }
    }
#endif
    memset(elements + i * PANEL, 0, (size_t)((groups * GROUP - i) * PANEL));
    for (; i < k; i++) {
      int8_t *row = elements + i / GROUP * GROUP * PANEL + i % GROUP;
      for (ptrdiff_t j = 0; j < columns; j++) {
        const int8_t value = (int8_t)(from[i * k_stride + j * n_stride] ^ flip);
        row[j * GROUP] = value;
        sums[j] += (uint32_t)(int32_t)value;
      }
    }
    memcpy(to, sums, sizeof sums);
  }
}

/// Bytes of one packed panel.
#define I8_PANEL_BYTES(k) (PANEL * (group_count(k) * GROUP + (ptrdiff_t)sizeof(int32_t)))
