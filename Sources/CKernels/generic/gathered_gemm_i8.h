// Product of windows that lie anywhere in memory with the packed panels of gemm_i8.h, where one instruction multiplies
// and sums four bytes (group_step). The including file sets GATHERED_ROWS, the rows of the register tile (at most 10).

typedef struct {
  const adze_conv2d_i8 *conv;
  ptrdiff_t columns, groups;     // of four bytes
  const uint8_t *const *rows;    // unsigned bytes; GATHERED_ROWS more, which are prefetched only
  const int32_t *offsets;        // of each group
  const int8_t *b;               // panels as pack_b_i8 gives them
  int32_t zero_point;            // of the unsigned bytes
  ptrdiff_t filter;              // the first column's
  ptrdiff_t pixel;               // the first row's
} i8_gathered;

/// What a tile prefetches of the next panel: with each group half a panel's row from `from` on, or a whole one.
typedef struct {
  const int8_t *from;
  enum { FETCH_NOTHING, FETCH_HALF, FETCH_ALL } amount;
} i8_fetched;
#define LINE_GROUPS 16

ALWAYS_INLINE ptrdiff_t gathered_panel_bytes(const i8_gathered *g) {
  return PANEL * (g->groups * 4 + (ptrdiff_t)sizeof(int32_t));
}

/// acc += windows times the panel's bytes b; row i of them is at a[i]. `next`: rows to be brought in too, or null. What
/// comes of the next panel comes by a line or two with each group: many at once would keep the loads of this one waiting.
ALWAYS_INLINE void i8_gathered_multiply(
  const int rows, const int vectors, const int chains, const int fetches, const i8_gathered *g, const int8_t *fetched,
  const uint8_t *const *a, const uint8_t *const *next, const int8_t *b, vi *acc) {
  const int32_t *offsets = g->offsets;
  const ptrdiff_t groups = g->groups, whole = groups - groups % chains;
  for (ptrdiff_t k = 0; k < whole;) {
    if (next) UNROLL for (int i = 0; i < rows; i++) __builtin_prefetch(next[i] + offsets[k]);
    for (const ptrdiff_t end = least(whole, k + LINE_GROUPS); k < end; k += chains) {
      UNROLL for (int q = 0; q < chains; q++) {
        const ptrdiff_t at = offsets[k + q];
        // A whole row to the second cache: to the first, single pixels became slower.
        if (fetches == FETCH_HALF) __builtin_prefetch(fetched);
        if (fetches == FETCH_ALL) __builtin_prefetch(fetched, 0, 2);
        if (fetches == FETCH_ALL && PANEL * 4 > 64) __builtin_prefetch(fetched + 64, 0, 2);
        if (fetches != FETCH_NOTHING) fetched += fetches == FETCH_ALL ? PANEL * 4 : PANEL * 2;
        UNROLL for (int i = 0; i < rows; i++) {
          int32_t word;
          memcpy(&word, a[i] + at, sizeof word);
          const vi aw = vi_set1(word);
          UNROLL for (int v = 0; v < vectors; v++) {
            vi *sum = &acc[(q * rows + i) * vectors + v];
            *sum = group_step(*sum, aw, b + (q * 2 + v) * VL * 4);
          }
        }
      }
      b += chains * PANEL * 4;
    }
  }
  for (ptrdiff_t k = whole; k < groups; k++, b += PANEL * 4) {
    UNROLL for (int i = 0; i < rows; i++) {
      int32_t word;
      memcpy(&word, a[i] + offsets[k], sizeof word);
      UNROLL for (int v = 0; v < vectors; v++) {
        acc[i * vectors + v] = group_step(acc[i * vectors + v], vi_set1(word), b + v * VL * 4);
      }
    }
  }
}

/// rows x vectors of y at (row, column), `count` of the last vector's columns real. Sums of integers may be split over
/// `chains` accumulators, which few rows need so that they do not wait for each other.
ALWAYS_INLINE void i8_gathered_tile(
  const int rows, const int vectors, const int chains, const i8_gathered *g, const i8_result *result, i8_fetched fetched,
  ptrdiff_t row, ptrdiff_t column, ptrdiff_t count) {
  const int8_t *panel = g->b + column / PANEL * gathered_panel_bytes(g), *b = panel + PANEL * sizeof(int32_t);
  const uint8_t *const *next = column == 0 ? g->rows + row + rows : NULL;
  const uint8_t *a[GATHERED_ROWS];
  vi acc[GATHERED_ROWS * 2];
  UNROLL for (int i = 0; i < rows; i++) a[i] = g->rows[row + i];
  UNROLL for (int i = 0; i < rows * vectors * chains; i++) acc[i] = vi_set1(0);
  const bool whole = vectors == 2 && fetched.amount == FETCH_ALL, half = vectors == 2 && fetched.amount == FETCH_HALF;
  if (whole) i8_gathered_multiply(rows, vectors, chains, FETCH_ALL, g, fetched.from, a, next, b, acc);
  else if (half) i8_gathered_multiply(rows, vectors, chains, FETCH_HALF, g, fetched.from, a, next, b, acc);
  else i8_gathered_multiply(rows, vectors, chains, FETCH_NOTHING, g, fetched.from, a, next, b, acc);
  UNROLL for (int q = 1; q < chains; q++) {
    UNROLL for (int i = 0; i < rows * vectors; i++) acc[i] = vi_add(acc[i], acc[q * rows * vectors + i]);
  }
  const adze_conv2d_i8 *c = g->conv;
  const ptrdiff_t filter = g->filter + column, stride = c->y_pixel_stride, first = (g->pixel + row) * stride + filter;
  const int32_t *column_sums = (const int32_t *)(const void *)panel;
  if (vectors == 2 && count == VL && (result->output == ADZE_I8_OUTPUT_U8 || result->output == ADZE_I8_OUTPUT_S8)) {
    const i8_filters f = filters_at(c, column_sums, g->zero_point, filter, VL);
    const i8_filters s = filters_at(c, column_sums + VL, g->zero_point, filter + VL, VL);
    uint8_t *y = (uint8_t *)c->y + first;
    if (!result->has_bias && !result->clamps) {
      // What the layer asks for is looked at once.
      const bool is_signed = result->output == ADZE_I8_OUTPUT_S8;
      const vf high = result->high;
      const vi zero_pair = result->zero_pair;
      UNROLL for (int i = 0; i < rows; i++) {
        const vf p = v_from_i(vi_add(acc[i * vectors], f.offset)) * f.scale;
        const vf q = v_from_i(vi_add(acc[i * vectors + vectors - 1], s.offset)) * s.scale;
        vi_store_pair_8(y, v_to_i(v_min(high, p)), v_to_i(v_min(high, q)), zero_pair, is_signed);
        y += stride;
      }
      return;
    }
    UNROLL for (int i = 0; i < rows; i++) {
      finish_pair(c, result, &f, &s, acc[i * vectors], acc[i * vectors + vectors - 1], first + i * stride);
    }
    return;
  }
  UNROLL for (int v = 0; v < vectors; v++) {
    const ptrdiff_t part = v == vectors - 1 ? count : VL;
    const i8_filters f = filters_at(c, column_sums + v * VL, g->zero_point, filter + v * VL, part);
    UNROLL for (int i = 0; i < rows; i++) {
      finish_filters(c, result, &f, acc[i * vectors + v], first + i * stride + v * VL, part);
    }
  }
}

typedef void i8_gathered_fn(const i8_gathered *, const i8_result *, i8_fetched, ptrdiff_t, ptrdiff_t, ptrdiff_t);
#define GATHERED_TILE(rows, vectors, chains)                                                           \
  static void i8_gathered_##rows##x##vectors(                                                          \
    const i8_gathered *g, const i8_result *result, i8_fetched fetched, ptrdiff_t row, ptrdiff_t column, \
    ptrdiff_t count) {                                                                                 \
    i8_gathered_tile(rows, vectors, chains, g, result, fetched, row, column, count);                   \
  }
#define GATHERED_ROW(rows, chains) GATHERED_TILE(rows, 1, chains) GATHERED_TILE(rows, 2, chains)
#define GATHERED_ENTRY(rows) {i8_gathered_##rows##x1, i8_gathered_##rows##x2}
GATHERED_ROW(1, 4) GATHERED_ROW(2, 2) GATHERED_ROW(3, 1) GATHERED_ROW(4, 1) GATHERED_ROW(5, 1) GATHERED_ROW(6, 1)
#if GATHERED_ROWS > 6
GATHERED_ROW(7, 1) GATHERED_ROW(8, 1) GATHERED_ROW(9, 1) GATHERED_ROW(10, 1)
#endif
static i8_gathered_fn *const i8_gathered_tiles[GATHERED_ROWS][2] = {
  GATHERED_ENTRY(1), GATHERED_ENTRY(2), GATHERED_ENTRY(3), GATHERED_ENTRY(4), GATHERED_ENTRY(5), GATHERED_ENTRY(6),
#if GATHERED_ROWS > 6
  GATHERED_ENTRY(7), GATHERED_ENTRY(8), GATHERED_ENTRY(9), GATHERED_ENTRY(10),
#endif
};

ALWAYS_INLINE void i8_gathered_at(
  const i8_gathered *g, const i8_result *result, i8_fetched fetched, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column) {
  const ptrdiff_t columns = least(PANEL, g->columns - column), vectors = columns > VL ? 2 : 1;
  i8_gathered_tiles[rows - 1][vectors - 1](g, result, fetched, row, column, columns - (vectors - 1) * VL);
}

// Bytes of B that stay in the first cache as a whole.
#define GATHERED_SMALL 16384

/// Tiles of nearly equal height. A small B is passed over for each tile, so that pixels of y are written at once; else
/// panel by panel, which stays in the first cache, while the next comes.
static void i8_gathered_product(const i8_gathered *g, ptrdiff_t rows) {
  const ptrdiff_t steps = (rows + GATHERED_ROWS - 1) / GATHERED_ROWS, height = rows / most(1, steps);
  const ptrdiff_t taller = rows % most(1, steps), panel_bytes = gathered_panel_bytes(g);
  const i8_result result = result_of(g->conv);
  i8_fetched fetched = {g->b, FETCH_NOTHING};
  if (g->groups * 4 * g->columns <= GATHERED_SMALL) {
    for (ptrdiff_t step = 0, row = 0; step < steps; step++) {
      const ptrdiff_t tall = height + (step < taller);
      for (ptrdiff_t column = 0; column < g->columns; column += PANEL) {
        i8_gathered_at(g, &result, fetched, row, tall, column);
      }
      row += tall;
    }
    return;
  }
  for (ptrdiff_t column = 0; column < g->columns; column += PANEL) {
    const int8_t *next = column + PANEL < g->columns ? g->b + (column / PANEL + 1) * panel_bytes : g->b;
    for (ptrdiff_t step = 0, row = 0; step < steps; step++) {
      const ptrdiff_t tall = height + (step < taller);
      fetched.from = next + PANEL * sizeof(int32_t) + step * g->groups * (PANEL * 2);
      fetched.amount = steps == 1 ? FETCH_ALL : step < 2 ? FETCH_HALF : FETCH_NOTHING;
      i8_gathered_at(g, &result, fetched, row, tall, column);
      row += tall;
    }
  }
}
