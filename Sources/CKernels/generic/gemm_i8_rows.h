// What the 8-bit products share: rows of A as integers, quantized on the way when they come as float32, and the
// epilogue. The including file has defined PANEL (columns of a packed panel) and A_SHIFT, what is added to int8 elements of
// A before they are multiplied (128 when that takes them unsigned), and maybe A_UNSIGNED_SHIFT, the same for uint8.
#include "quantized.h"
#include "row_range.h"

// Rows of A that a call prepares at a time, and the elements that are quantized at a time.
#ifndef BLOCK_ROWS
#define BLOCK_ROWS 56
#endif
#ifndef A_UNSIGNED_SHIFT
#define A_UNSIGNED_SHIFT 0
#endif
#define QUANTIZED_PIECE 256

/// One block of rows: each row's sum (when B has a zero point) and, for float32 A, its scale and zero point.
typedef struct {
  uint32_t sums[BLOCK_ROWS];
  float scales[BLOCK_ROWS];
  int32_t zero_points[BLOCK_ROWS];
} i8_rows;

/// Without a zero point of B the row sums meet zeros only.
ALWAYS_INLINE bool needs_row_sums(const adze_gemm_i8 *g) { return g->b_zero_point || !g->b_signed; }

ALWAYS_INLINE bool is_a_signed(const adze_gemm_i8 *g) { return g->a_source == ADZE_I8_A_INTEGERS && g->a_signed; }

/// Scales and zero points of `count` rows, as they are given or as DynamicQuantizeLinear chooses them.
static void find_row_ranges(const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t count, i8_rows *rows) {
  const bool scales = g->output != ADZE_I8_OUTPUT_I32 || g->a_source == ADZE_I8_A_F32;
  for (ptrdiff_t i = 0; i < count; i++) {
    const ptrdiff_t r = row + i;
    rows->sums[i] = 0;
    if (g->a_source == ADZE_I8_A_F32_ROWS) {
      const float *x = (const float *)g->a + r * g->a_row_stride;
      rows->scales[i] = row_range(x, g->a_column_stride, g->k, &rows->zero_points[i]);
    } else {
      rows->scales[i] = scales && g->a_scale ? g->a_scale[r * g->a_scale_stride] : 1;
      rows->zero_points[i] = g->a_zero_point ? g->a_zero_point[r * g->a_zero_point_stride] : 0;
    }
  }
}

static uint32_t sum_of_bytes(const uint8_t *a, bool is_signed, ptrdiff_t stride, ptrdiff_t count) {
  uint32_t sum = 0;
  if (is_signed && stride == 1) for (ptrdiff_t i = 0; i < count; i++) sum += (uint32_t)(int32_t)(int8_t)a[i];
  else if (stride == 1) for (ptrdiff_t i = 0; i < count; i++) sum += a[i];
  else if (is_signed) for (ptrdiff_t i = 0; i < count; i++) sum += (uint32_t)(int32_t)(int8_t)a[i * stride];
  else for (ptrdiff_t i = 0; i < count; i++) sum += a[i * stride];
  return sum;
}

/// A part of one row as 8-bit elements.
typedef struct {
  const uint8_t *from;
  ptrdiff_t stride, count;
} i8_piece;

/// The elements from k on, as many as are at hand at once and `end` allows: in place, or quantized to `space`.
/// Their sum is added to the row's when `sums`.
ALWAYS_INLINE i8_piece read_piece(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t i, ptrdiff_t k, ptrdiff_t end, bool sums, i8_rows *rows,
  uint8_t *space) {
  const ptrdiff_t offset = (row + i) * g->a_row_stride + k * g->a_column_stride;
  i8_piece piece = {(const uint8_t *)g->a + offset, g->a_column_stride, end - k};
  if (g->a_source != ADZE_I8_A_INTEGERS) {
    piece = (i8_piece){space, 1, least(QUANTIZED_PIECE, end - k)};
    const float divisor = rows->scales[i] == 0 ? 1 : rows->scales[i];
    quantize_row((const float *)g->a + offset, g->a_column_stride, piece.count, divisor, rows->zero_points[i], space);
  }
  if (sums) rows->sums[i] += sum_of_bytes(piece.from, is_a_signed(g), piece.stride, piece.count);
  return piece;
}

/// What the epilogue needs of one row of C.
typedef struct {
  vi a_zero_point, correction, offset;  // correction: row sum - k * a_zero_point
  vf a_scale, row_bias;
} i8_row;

ALWAYS_INLINE i8_row row_values(const adze_gemm_i8 *g, ptrdiff_t row, const i8_rows *rows, ptrdiff_t i) {
  const uint32_t shift = (uint32_t)(is_a_signed(g) ? A_SHIFT : A_UNSIGNED_SHIFT);
  const uint32_t zero_point = (uint32_t)rows->zero_points[i] + shift;
  const uint32_t sum = rows->sums[i] + (uint32_t)g->k * shift;
  const bool floats = g->output != ADZE_I8_OUTPUT_I32;
  return (i8_row){
    vi_set1((int32_t)zero_point), vi_set1((int32_t)(sum - (uint32_t)g->k * zero_point)),
    vi_set1(g->row_offset ? g->row_offset[row] : 0), v_set1(rows->scales[i]),
    v_set1(floats && g->epilogue.row_bias ? g->epilogue.row_bias[row] : 0)};
}

/// What it needs of up to VL columns.
typedef struct {
  vi column_sum, zero_point, offset;
  vf scale, bias;
  ptrdiff_t column, count;
} i8_columns;

ALWAYS_INLINE vf column_values(const float *values, ptrdiff_t stride, ptrdiff_t column, ptrdiff_t count, float none) {
  if (!values) return v_set1(none);
  if (!stride) return v_set1(*values);
  return count < VL ? v_load_part(values + column, count) : v_load(values + column);
}

ALWAYS_INLINE i8_columns columns_at(
  const adze_gemm_i8 *g, const int32_t *column_sums, ptrdiff_t column, ptrdiff_t count) {
  i8_columns c = {
    vi_load(column_sums), vi_set1(g->b_signed ? 0 : -128), vi_set1(0), v_set1(1), v_set1(0), column, count};
  if (g->column_offset) {
    const int32_t *offset = g->column_offset + column;
    c.offset = count < VL ? vi_load_part(offset, count) : vi_load(offset);
  }
  if (g->b_zero_point) {
    const int32_t *z = g->b_zero_point + column * g->b_zero_point_stride;
    vi values = vi_set1(*z);
    if (g->b_zero_point_stride) values = count < VL ? vi_load_part(z, count) : vi_load(z);
    c.zero_point = vi_add(c.zero_point, values);
  }
  if (g->output != ADZE_I8_OUTPUT_I32) {
    c.scale = column_values(g->b_scale, g->b_scale_stride, column, count, 1);
    c.bias = column_values(g->epilogue.column_bias, 1, column, count, 0);
  }
  return c;
}

ALWAYS_INLINE void store_8(const adze_gemm_i8 *g, ptrdiff_t at, vf y, ptrdiff_t count) {
  const int32_t lowest = g->output == ADZE_I8_OUTPUT_U8 ? 0 : -128;
  const vf low = v_set1((float)(lowest - g->c_zero_point)), high = v_set1((float)(lowest + 255 - g->c_zero_point));
  const vi q = vi_add(v_to_i(v_min(v_max(y, low), high)), vi_set1(g->c_zero_point));
  store_part_8((uint8_t *)g->c + at, q, count);
}

/// Finishes the columns in one row.
ALWAYS_INLINE void finish(
  const adze_gemm_i8 *g, const i8_row *r, const i8_columns *c, vi sum, ptrdiff_t row, const bool has_row_sums) {
  sum = vi_sub(sum, vi_mul(r->a_zero_point, c->column_sum));
  if (has_row_sums) sum = vi_sub(sum, vi_mul(c->zero_point, r->correction));
  sum = vi_add(vi_add(sum, c->offset), r->offset);
  const ptrdiff_t at = row * g->c_row_stride + c->column;
  if (g->output == ADZE_I8_OUTPUT_I32) {
    if (c->count < VL) vi_store_part((int32_t *)g->c + at, sum, c->count);
    else vi_store((int32_t *)g->c + at, sum);
    return;
  }
  const adze_epilogue_f32 *e = &g->epilogue;
  vf y = v_from_i(sum) * (r->a_scale * c->scale);
  if (e->column_bias) y = y + c->bias;
  if (e->row_bias) y = y + r->row_bias;
  if (e->clamps) y = v_min(v_set1(e->maximum), v_max(v_set1(e->minimum), y));
  if (g->output != ADZE_I8_OUTPUT_F32) store_8(g, at, y, c->count);
  else if (c->count < VL) v_store_part((float *)g->c + at, y, c->count);
  else v_store((float *)g->c + at, y);
}

/// Whether all rows share what the epilogue needs, but for their sums, and the result is 8 bits.
ALWAYS_INLINE bool finishes_bytes(const adze_gemm_i8 *g) {
  return (g->output == ADZE_I8_OUTPUT_U8 || g->output == ADZE_I8_OUTPUT_S8) && g->a_source == ADZE_I8_A_INTEGERS
    && !(g->a_scale && g->a_scale_stride) && !(g->a_zero_point && g->a_zero_point_stride) && !g->row_offset
    && !g->epilogue.row_bias;
}

/// Two whole vectors of columns to 8 bits in all rows: what finish gives, with all that is equal in them found before.
ALWAYS_INLINE void finish_bytes(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column, const int32_t *sums,
  const int32_t *column_sums, const i8_rows *values, const bool has_row_sums) {
  const adze_epilogue_f32 *e = &g->epilogue;
  const i8_row first = row_values(g, row, values, 0);
  const int32_t lowest = (g->output == ADZE_I8_OUTPUT_U8 ? 0 : -128) - g->c_zero_point;
  const vf low = v_set1((float)lowest), high = v_set1((float)(lowest + 255));
  const vf minimum = v_set1(e->minimum), maximum = v_set1(e->maximum);
  const vi zero_pair = vi_set1((int32_t)((uint32_t)(uint16_t)g->c_zero_point * 0x00010001u));
  const bool has_bias = e->column_bias != NULL, clamps = e->clamps, is_signed = g->output == ADZE_I8_OUTPUT_S8;
  i8_columns c[2];
  vi offset[2];
  vf scale[2];
  UNROLL for (int v = 0; v < 2; v++) {
    c[v] = columns_at(g, column_sums + v * VL, column + v * VL, VL);
    offset[v] = vi_sub(c[v].offset, vi_mul(first.a_zero_point, c[v].column_sum));
    scale[v] = first.a_scale * c[v].scale;
  }
  uint8_t *to = (uint8_t *)g->c + row * g->c_row_stride + column;
  for (ptrdiff_t i = 0; i < rows; i++, sums += PANEL, to += g->c_row_stride) {
    vi q[2];
    UNROLL for (int v = 0; v < 2; v++) {
      vi sum = vi_add(vi_load(sums + v * VL), offset[v]);
      if (has_row_sums) sum = vi_sub(sum, vi_mul(c[v].zero_point, row_values(g, row + i, values, i).correction));
      vf y = v_from_i(sum) * scale[v];
      if (has_bias) y = y + c[v].bias;
      if (clamps) y = v_min(maximum, v_max(minimum, y));
      q[v] = v_to_i(v_min(v_max(y, low), high));
    }
    vi_store_pair_8(to, q[0], q[1], zero_pair, is_signed);
  }
}

static void finish_panel(
  const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column, ptrdiff_t columns, const int32_t *sums,
  const int32_t *column_sums, const i8_rows *values) {
  const bool has_row_sums = needs_row_sums(g), bytes = finishes_bytes(g);
  for (ptrdiff_t j = 0; j < columns;) {
    if (bytes && columns - j >= 2 * VL) {
      if (has_row_sums) finish_bytes(g, row, rows, column + j, sums + j, column_sums + j, values, true);
      else finish_bytes(g, row, rows, column + j, sums + j, column_sums + j, values, false);
      j += 2 * VL;
      continue;
    }
    const i8_columns c = columns_at(g, column_sums + j, column + j, least(VL, columns - j));
    for (ptrdiff_t i = 0; i < rows; i++) {
      const i8_row r = row_values(g, row + i, values, i);
      finish(g, &r, &c, vi_load(sums + i * PANEL + j), row + i, has_row_sums);
    }
    j += VL;
  }
}

/// The activation over finished columns [column, end) of finished rows.
static void activate(const adze_gemm_i8 *g, ptrdiff_t row, ptrdiff_t row_end, ptrdiff_t column, ptrdiff_t end) {
  const adze_epilogue_f32 *e = &g->epilogue;
  if (g->output != ADZE_I8_OUTPUT_F32 || !e->activation || column >= end) return;
  for (; row < row_end; row++) {
    float *c = (float *)g->c + row * g->c_row_stride + column;
    e->activation(c, c, end - column, e->alpha, e->beta);
  }
}
