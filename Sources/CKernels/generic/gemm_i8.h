// 8-bit GEMM, exact in int32. The including file sets GEMM_ROWS (at most 14) and GROUP, the elements of k that one
// step multiplies (1, 2 or 4), and defines
//   vi group_step(vi acc, vi a, const int8_t *b)   acc[j] + Σ_g a.g * b[j * GROUP + g]
// where every lane of `a` holds one 32-bit word of GROUP elements: int32, two int16, or four uint8.
//
// B is stored signed (uint8 less 128); four-element words hold A unsigned (int8 plus 128). Both shifts move into the
// zero points. Sums are unsigned modulo 2^32, so order and overflow cannot change a result.
//
// A packed panel: PANEL column sums (int32), then [k / GROUP][PANEL][GROUP] bytes.

#define PANEL (2 * VL)
#define A_SHIFT (GROUP == 4 ? 128 : 0)
// Words of A that a call converts at a time, on the stack, and the rows they may belong to.
#define A_WORDS 16384
#define BLOCK_ROWS 56

typedef struct {
  const adze_gemm_i8 *gemm;
  ptrdiff_t groups;      // words of one row in this chunk of k
  ptrdiff_t panel_bytes;
} i8_block;

ALWAYS_INLINE ptrdiff_t group_count(ptrdiff_t k) { return (k + GROUP - 1) / GROUP; }

ALWAYS_INLINE void convert_row(const void *a, bool is_signed, ptrdiff_t stride, ptrdiff_t count, int32_t *words) {
  words[group_count(count) - 1] = 0;
#if GROUP == 4
  typedef uint8_t element;
  element *to = (element *)words;
  const uint8_t flip = is_signed ? 0x80 : 0;
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

static uint32_t row_sum(const adze_gemm_i8 *g, ptrdiff_t row) {
  uint32_t sum = (uint32_t)g->k * A_SHIFT * (g->a_signed ? 1 : 0);
  const ptrdiff_t offset = row * g->a_row_stride;
  if (g->a_signed) {
    const int8_t *a = (const int8_t *)g->a + offset;
    for (ptrdiff_t i = 0; i < g->k; i++) sum += (uint32_t)(int32_t)a[i * g->a_column_stride];
  } else {
    const uint8_t *a = (const uint8_t *)g->a + offset;
    for (ptrdiff_t i = 0; i < g->k; i++) sum += a[i * g->a_column_stride];
  }
  return sum;
}

/// rows x PANEL sums; `words` are the rows' converted A, `b` the panel's bytes of this chunk.
ALWAYS_INLINE void i8_tile(
  const int rows, ptrdiff_t groups, const int32_t *words, const int8_t *b, bool resumes, int32_t *sums) {
  vi acc[GEMM_ROWS][2];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) acc[i][v] = resumes ? vi_load(sums + i * PANEL + v * VL) : vi_set1(0);
  }
  for (ptrdiff_t k = 0; k < groups; k++) {
    UNROLL for (int i = 0; i < rows; i++) {
      const vi a = vi_set1(words[i * groups + k]);
      UNROLL for (int v = 0; v < 2; v++) acc[i][v] = group_step(acc[i][v], a, b + v * VL * GROUP);
    }
    b += PANEL * GROUP;
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < 2; v++) vi_store(sums + i * PANEL + v * VL, acc[i][v]);
  }
}

typedef void i8_tile_fn(ptrdiff_t groups, const int32_t *words, const int8_t *b, bool resumes, int32_t *sums);
#define TILE(rows)                                                                                               \
  static void i8_tile_##rows(ptrdiff_t groups, const int32_t *words, const int8_t *b, bool resumes, int32_t *s) { \
    i8_tile(rows, groups, words, b, resumes, s);                                                                 \
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

/// What the epilogue needs of one row of C.
typedef struct {
  vi a_zero_point, correction;  // correction: row sum - k * a_zero_point
  vf a_scale, row_bias;
} i8_row;

ALWAYS_INLINE i8_row row_values(const adze_gemm_i8 *g, ptrdiff_t row, uint32_t sum) {
  const uint32_t zero_point = (uint32_t)(g->a_zero_point ? g->a_zero_point[row * g->a_zero_point_stride] : 0)
    + (g->a_signed ? A_SHIFT : 0);
  const bool floats = g->output != ADZE_I8_OUTPUT_I32;
  return (i8_row){
    vi_set1((int32_t)zero_point), vi_set1((int32_t)(sum - (uint32_t)g->k * zero_point)),
    v_set1(floats && g->a_scale ? g->a_scale[row * g->a_scale_stride] : 1),
    v_set1(floats && g->epilogue.row_bias ? g->epilogue.row_bias[row] : 0)};
}

ALWAYS_INLINE vf column_values(const float *values, ptrdiff_t stride, ptrdiff_t column, ptrdiff_t count, float none) {
  if (!values) return v_set1(none);
  if (!stride) return v_set1(*values);
  return count < VL ? v_load_part(values + column, count) : v_load(values + column);
}

/// Finishes `count` <= VL columns of one row.
ALWAYS_INLINE void finish(
  const adze_gemm_i8 *g, const i8_row *r, vi sum, vi column_sum, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count) {
  vi zero_point = vi_set1(g->b_signed ? 0 : -128);
  if (g->b_zero_point) {
    const int32_t *z = g->b_zero_point + column * g->b_zero_point_stride;
    vi values = vi_set1(*z);
    if (g->b_zero_point_stride) values = count < VL ? vi_load_part(z, count) : vi_load(z);
    zero_point = vi_add(zero_point, values);
  }
  sum = vi_sub(vi_sub(sum, vi_mul(r->a_zero_point, column_sum)), vi_mul(zero_point, r->correction));
  const ptrdiff_t at = row * g->c_row_stride + column;
  if (g->output == ADZE_I8_OUTPUT_I32) {
    if (count < VL) vi_store_part((int32_t *)g->c + at, sum, count);
    else vi_store((int32_t *)g->c + at, sum);
    return;
  }
  const adze_epilogue_f32 *e = &g->epilogue;
  vf y = v_from_i(sum) * (r->a_scale * column_values(g->b_scale, g->b_scale_stride, column, count, 1));
  if (e->column_bias) y = y + column_values(e->column_bias, 1, column, count, 0);
  if (e->row_bias) y = y + r->row_bias;
  if (e->clamps) y = v_min(v_set1(e->maximum), v_max(v_set1(e->minimum), y));
  if (g->output == ADZE_I8_OUTPUT_F32) {
    if (count < VL) v_store_part((float *)g->c + at, y, count);
    else v_store((float *)g->c + at, y);
    return;
  }
  const int32_t lowest = g->output == ADZE_I8_OUTPUT_U8 ? 0 : -128;
  const vf low = v_set1((float)(lowest - g->c_zero_point)), high = v_set1((float)(lowest + 255 - g->c_zero_point));
  const vi q = vi_add(v_to_i(v_min(v_max(y, low), high)), vi_set1(g->c_zero_point));
  if (count < VL) {
    uint8_t last[VL];
    vi_store_8(last, q);
    memcpy((uint8_t *)g->c + at, last, (size_t)count);
  } else {
    vi_store_8((uint8_t *)g->c + at, q);
  }
}

static void finish_panel(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column, ptrdiff_t columns, const int32_t *sums,
  const int32_t *column_sums, const uint32_t *row_sums) {
  for (ptrdiff_t i = 0; i < rows; i++) {
    const i8_row r = row_values(g, row + i, row_sums[i]);
    for (ptrdiff_t j = 0; j < columns; j += VL) {
      const ptrdiff_t count = least(VL, columns - j);
      finish(g, &r, vi_load(sums + i * PANEL + j), vi_load(column_sums + j), row + i, column + j, count);
    }
  }
}

/// Rows [row, row + rows) against one panel.
static void multiply_panel(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t chunk, int32_t *words, bool converts,
  const int8_t *b, int32_t *sums) {
  for (ptrdiff_t k = 0; k < g->k; k += chunk * GROUP) {
    const ptrdiff_t depth = least(g->k - k, chunk * GROUP), groups = group_count(depth);
    if (converts) {
      for (ptrdiff_t i = 0; i < rows; i++) {
        const uint8_t *from = (const uint8_t *)g->a + (row + i) * g->a_row_stride + k * g->a_column_stride;
        convert_row(from, g->a_signed, g->a_column_stride, depth, words + i * groups);
      }
    }
    const ptrdiff_t steps = (rows + GEMM_ROWS - 1) / GEMM_ROWS, height = rows / steps, taller = rows % steps;
    ptrdiff_t r = 0;
    for (ptrdiff_t step = 0; step < steps; step++) {
      const ptrdiff_t count = height + (step < taller);
      i8_tiles[count - 1](groups, words + r * groups, b + k * PANEL, k > 0, sums + r * PANEL);
      r += count;
    }
  }
}

void KERNEL(gemm_i8)(
  const adze_gemm_i8 *g, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  _Alignas(64) int32_t words[A_WORDS];
  _Alignas(64) int32_t sums[BLOCK_ROWS * PANEL];
  uint32_t row_sums[BLOCK_ROWS] = {0};
  const ptrdiff_t groups = group_count(g->k), panel_bytes = PANEL * (groups * GROUP + (ptrdiff_t)sizeof(int32_t));
  // Without a zero point of B the row sums meet zeros only.
  const bool needs_row_sums = g->b_zero_point || !g->b_signed;
  const ptrdiff_t column_end = least(panel_end * PANEL, g->n);
  const ptrdiff_t chunk = most(1, least(groups, A_WORDS / most(1, least(GEMM_ROWS, row_end - row_begin))));
  const ptrdiff_t block_rows = least(BLOCK_ROWS, A_WORDS / chunk);
  for (ptrdiff_t row = row_begin; row < row_end; row += block_rows) {
    const ptrdiff_t rows = least(block_rows, row_end - row);
    if (needs_row_sums) for (ptrdiff_t i = 0; i < rows; i++) row_sums[i] = row_sum(g, row + i);
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      const int8_t *b = (const int8_t *)g->b_packed + panel * panel_bytes;
      int32_t column_sums[PANEL];
      memcpy(column_sums, b, sizeof column_sums);
      if (g->k == 0) memset(sums, 0, sizeof sums);
      const bool converts = chunk < groups || panel == panel_begin;
      multiply_panel(g, row, rows, chunk, words, converts, b + sizeof column_sums, sums);
      const ptrdiff_t column = panel * PANEL;
      finish_panel(g, row, rows, column, least(PANEL, column_end - column), sums, column_sums, row_sums);
    }
    const adze_epilogue_f32 *e = &g->epilogue;
    if (g->output == ADZE_I8_OUTPUT_F32 && e->activation && panel_begin * PANEL < column_end) {
      for (ptrdiff_t r = row; r < row + rows; r++) {
        float *c = (float *)g->c + r * g->c_row_stride + panel_begin * PANEL;
        e->activation(c, c, column_end - panel_begin * PANEL, e->alpha, e->beta);
      }
    }
  }
}

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
    memset(elements, 0, (size_t)(groups * GROUP * PANEL));
    for (ptrdiff_t i = 0; i < k; i++) {
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
