// Pooling, sums and tables of 8-bit tensors. Loops over bytes are plain: the compiler makes vectors of them.

#include "part_bytes.h"

// The greatest values of as many channels as stay in registers, for as long as there are so many.
#define MAX_OF_BLOCKS(type, lowest, block)                                                                           \
  for (; channel + (block) <= channels; channel += (block)) {                                                        \
    type greatest[block];                                                                                            \
    for (int i = 0; i < (block); i++) greatest[i] = (lowest);                                                        \
    for (ptrdiff_t ky = 0; ky < rows; ky++) {                                                                        \
      for (ptrdiff_t kx = 0; kx < columns; kx++) {                                                                   \
        const type *tap = from + ky * row + kx * column + channel;                                                   \
        for (int i = 0; i < (block); i++) greatest[i] = tap[i] > greatest[i] ? tap[i] : greatest[i];                 \
      }                                                                                                              \
    }                                                                                                                \
    memcpy(y + channel, greatest, block);                                                                            \
  }

// Sixteen channels as one vector, which no compiler makes of so short a loop.
#define MAX_OF_VECTORS(type, lowest)                                                                                 \
  typedef type vector_##type __attribute__((vector_size(16)));                                                       \
  for (; channel + 16 <= channels; channel += 16) {                                                                  \
    vector_##type greatest = (vector_##type){0} + (type)(lowest), tap;                                               \
    for (ptrdiff_t ky = 0; ky < rows; ky++) {                                                                        \
      for (ptrdiff_t kx = 0; kx < columns; kx++) {                                                                   \
        memcpy(&tap, from + ky * row + kx * column + channel, 16);                                                   \
        const vector_##type above = (vector_##type)(tap > greatest);                                                 \
        greatest = (tap & above) | (greatest & ~above);                                                              \
      }                                                                                                              \
    }                                                                                                                \
    memcpy(y + channel, &greatest, 16);                                                                              \
  }

#define MAX_OF_TAPS(name, type, lowest)                                                                              \
  static void name(                                                                                                  \
    const type *from, ptrdiff_t row, ptrdiff_t column, ptrdiff_t rows, ptrdiff_t columns, type *y,                     \
    ptrdiff_t channels) {                                                                                            \
    ptrdiff_t channel = 0;                                                                                           \
    MAX_OF_BLOCKS(type, lowest, 64)                                                                                  \
    MAX_OF_VECTORS(type, lowest)                                                                                     \
    MAX_OF_BLOCKS(type, lowest, 1)                                                                                   \
  }
MAX_OF_TAPS(max_of_taps_u8, uint8_t, 0)
MAX_OF_TAPS(max_of_taps_s8, int8_t, -128)

/// Window elements [*begin, *end) from `start` on that lie in [low, high).
ALWAYS_INLINE void taps_between(
  ptrdiff_t start, ptrdiff_t dilation, ptrdiff_t kernel, ptrdiff_t low, ptrdiff_t high, ptrdiff_t *begin, ptrdiff_t *end) {
  *begin = start >= low ? 0 : least(kernel, (low - start + dilation - 1) / dilation);
  *end = start >= high ? *begin : most(*begin, least(kernel, (high - start + dilation - 1) / dilation));
}

/// The taps of one output pixel that are inside the image.
typedef struct {
  const uint8_t *from;
  ptrdiff_t row, column, rows, columns;
} pool8_taps;

static pool8_taps pool8_at(const adze_pool2d_i8 *p, ptrdiff_t line, ptrdiff_t x) {
  const adze_window2d *w = &p->window;
  const ptrdiff_t top = line % w->output_height * w->stride_height - w->pad_top;
  const ptrdiff_t left = x * w->stride_width - w->pad_left;
  ptrdiff_t row, row_end, column, column_end;
  taps_between(top, w->dilation_height, w->kernel_height, 0, w->height, &row, &row_end);
  taps_between(left, w->dilation_width, w->kernel_width, 0, w->width, &column, &column_end);
  const ptrdiff_t first = (top + row * w->dilation_height) * w->width + left + column * w->dilation_width;
  return (pool8_taps){
    (const uint8_t *)p->x + line / w->output_height * p->x_image_stride + first * p->x_pixel_stride,
    w->dilation_height * w->width * p->x_pixel_stride, w->dilation_width * p->x_pixel_stride, row_end - row,
    column_end - column};
}

void KERNEL(max_pool_nhwc_i8)(const adze_pool2d_i8 *p, ptrdiff_t line_begin, ptrdiff_t line_end) {
  const adze_window2d *w = &p->window;
  for (ptrdiff_t line = line_begin; line < line_end; line++) {
    for (ptrdiff_t x = 0; x < w->output_width; x++) {
      const pool8_taps t = pool8_at(p, line, x);
      uint8_t *y = (uint8_t *)p->y + (line * w->output_width + x) * p->y_pixel_stride;
      if (p->is_signed) {
        max_of_taps_s8((const int8_t *)t.from, t.row, t.column, t.rows, t.columns, (int8_t *)y, w->channels);
      } else {
        max_of_taps_u8(t.from, t.row, t.column, t.rows, t.columns, y, w->channels);
      }
    }
  }
}

/// `vectors` vectors of channels of one pixel; the last holds `part` of them.
ALWAYS_INLINE void average_vectors(
  const int vectors, const bool is_signed, const adze_pool2d_i8 *p, const pool8_taps *t, ptrdiff_t channel, vf scale,
  vi shift, uint8_t *y, ptrdiff_t part) {
  vi acc[4];
  UNROLL for (int v = 0; v < vectors; v++) acc[v] = vi_sub(vi_set1(0), shift);
  for (ptrdiff_t ky = 0; ky < t->rows; ky++) {
    for (ptrdiff_t kx = 0; kx < t->columns; kx++) {
      const uint8_t *tap = t->from + ky * t->row + kx * t->column + channel;
      UNROLL for (int v = 0; v < vectors; v++) {
        acc[v] = vi_add(acc[v], load_part_8(tap + v * VL, is_signed, v == vectors - 1 ? part : VL));
      }
    }
  }
  const int32_t lowest = (is_signed ? -128 : 0) - p->y_zero_point;
  const vf low = v_set1((float)lowest), high = v_set1((float)(lowest + 255));
  UNROLL for (int v = 0; v < vectors; v++) {
    const vi q = v_to_i(v_min(v_max(v_from_i(acc[v]) * scale, low), high));
    store_part_8(y + channel + v * VL, vi_add(q, vi_set1(p->y_zero_point)), v == vectors - 1 ? part : VL);
  }
}

ALWAYS_INLINE void average_pixel(
  const bool is_signed, const adze_pool2d_i8 *p, const pool8_taps *t, ptrdiff_t counted, uint8_t *y) {
  const vf scale = v_set1(p->x_scale / (p->y_scale * (float)counted));
  const vi shift = vi_set1((int32_t)(uint32_t)(t->rows * t->columns * p->x_zero_point));
  const ptrdiff_t channels = p->window.channels;
  ptrdiff_t i = 0;
  for (; i + 4 * VL <= channels; i += 4 * VL) average_vectors(4, is_signed, p, t, i, scale, shift, y, VL);
  for (; i < channels; i += VL) average_vectors(1, is_signed, p, t, i, scale, shift, y, least(VL, channels - i));
}

void KERNEL(average_pool_nhwc_i8)(const adze_pool2d_i8 *p, ptrdiff_t line_begin, ptrdiff_t line_end) {
  const adze_window2d *w = &p->window;
  const bool pads = p->includes_padding;
  for (ptrdiff_t line = line_begin; line < line_end; line++) {
    const ptrdiff_t top = line % w->output_height * w->stride_height - w->pad_top;
    ptrdiff_t row, row_end, column, column_end;
    taps_between(top, w->dilation_height, w->kernel_height, -w->pad_top, w->height + p->pad_bottom, &row, &row_end);
    for (ptrdiff_t x = 0; x < w->output_width; x++) {
      const ptrdiff_t left = x * w->stride_width - w->pad_left;
      taps_between(left, w->dilation_width, w->kernel_width, -w->pad_left, w->width + p->pad_right, &column, &column_end);
      const pool8_taps t = pool8_at(p, line, x);
      const ptrdiff_t counted = pads ? (row_end - row) * (column_end - column) : t.rows * t.columns;
      uint8_t *y = (uint8_t *)p->y + (line * w->output_width + x) * p->y_pixel_stride;
      if (p->is_signed) average_pixel(true, p, &t, counted, y);
      else average_pixel(false, p, &t, counted, y);
    }
  }
}

/// x / divisor, rounded once. Where products are fused, a quotient by the rounded reciprocal is corrected twice: the
/// first correction brings it within one unit of the last place, and then the second rounds as division does (Markstein,
/// "Computation of elementary functions on the IBM RISC System/6000 processor", theorem 8.2).
ALWAYS_INLINE vf exact_quotient(vf x, vf divisor, vf reciprocal, const bool corrects) {
  if (!corrects) return x / divisor;
  const vf minus = v_set1(0) - divisor;
  vf q = x * reciprocal;
  q = v_fma(v_fma(minus, q, x), reciprocal, q);
  return v_fma(v_fma(minus, q, x), reciprocal, q);
}

/// Whether the corrections are exact: the divisor's fraction is not all ones, and nothing overflows or is denormal.
static bool corrects_quotients(const adze_add_i8 *s) {
#ifdef V_FUSES
  uint32_t bits;
  memcpy(&bits, &s->y_scale, sizeof bits);
  if ((bits & 0x7fffffu) == 0x7fffffu) return false;
  const float scales[] = {s->a_scale, s->b_scale, s->y_scale};
  for (int i = 0; i < 3; i++) if (!(scales[i] > 0x1p-40f && scales[i] < 0x1p40f)) return false;
  return true;
#else
  return false;
#endif
}

ALWAYS_INLINE void add_loop(
  const bool corrects, const bool a_signed, const bool b_signed, const adze_add_i8 *s, const uint8_t *a,
  const uint8_t *b, uint8_t *y, ptrdiff_t count) {
  const vf a_scale = v_set1(s->a_scale), b_scale = v_set1(s->b_scale), y_scale = v_set1(s->y_scale);
  const vf reciprocal = v_set1(1 / s->y_scale), minimum = v_set1(s->minimum), maximum = v_set1(s->maximum);
  const vi a_zero = vi_set1(s->a_zero_point), b_zero = vi_set1(s->b_zero_point), y_zero = vi_set1(s->y_zero_point);
  const int32_t lowest = (s->y_signed ? -128 : 0) - s->y_zero_point;
  const vf low = v_set1((float)lowest), high = v_set1((float)(lowest + 255));
  const vi zero_pair = vi_set1((int32_t)((uint32_t)(uint16_t)s->y_zero_point * 0x00010001u));
  const bool clamps = s->clamps, y_signed = s->y_signed;
  ptrdiff_t i = 0;
  for (; i + 2 * VL <= count; i += 2 * VL) {
    vi q[2];
    UNROLL for (int v = 0; v < 2; v++) {
      const ptrdiff_t at = i + v * VL;
      const vf av = v_from_i(vi_sub(load_part_8(a + at, a_signed, VL), a_zero)) * a_scale;
      const vf bv = v_from_i(vi_sub(load_part_8(b + at, b_signed, VL), b_zero)) * b_scale;
      vf sum = av + bv;
      if (clamps) sum = v_min(maximum, v_max(minimum, sum));
      q[v] = v_to_i(v_min(high, exact_quotient(sum, y_scale, reciprocal, corrects)));
    }
    vi_store_pair_8(y + i, q[0], q[1], zero_pair, y_signed);
  }
  for (; i < count; i += VL) {
    const ptrdiff_t part = least(VL, count - i);
    const vf av = v_from_i(vi_sub(load_part_8(a + i, a_signed, part), a_zero)) * a_scale;
    const vf bv = v_from_i(vi_sub(load_part_8(b + i, b_signed, part), b_zero)) * b_scale;
    vf sum = av + bv;
    if (clamps) sum = v_min(maximum, v_max(minimum, sum));
    const vf x = exact_quotient(sum, y_scale, reciprocal, corrects);
    store_part_8(y + i, vi_add(v_to_i(v_min(v_max(x, low), high)), y_zero), part);
  }
}

void KERNEL(add_i8)(const adze_add_i8 *s, const void *a, const void *b, void *y, ptrdiff_t count) {
  const bool corrects = corrects_quotients(s);
  if (corrects && !s->a_signed && !s->b_signed) add_loop(true, false, false, s, a, b, y, count);
  else if (corrects && s->a_signed && s->b_signed) add_loop(true, true, true, s, a, b, y, count);
  else if (s->a_signed && s->b_signed) add_loop(false, true, true, s, a, b, y, count);
  else if (s->a_signed) add_loop(false, true, false, s, a, b, y, count);
  else if (s->b_signed) add_loop(false, false, true, s, a, b, y, count);
  else add_loop(false, false, false, s, a, b, y, count);
}

void KERNEL(lookup_8)(const uint8_t *x, const uint8_t *table, uint8_t *y, ptrdiff_t count) {
  ptrdiff_t i = 0;
#ifdef LOOKUP_BYTES
  if (count >= LOOKUP_BYTES) {
    const lookup_table t = lookup_table_of(table);
    for (; i + LOOKUP_BYTES <= count; i += LOOKUP_BYTES) look_up(&t, x + i, y + i);
  }
#endif
  for (; i < count; i++) y[i] = table[x[i]];
}

/// An 8 x 8 square: bytes are exchanged in blocks of 4, 2 and 1 across the diagonal.
ALWAYS_INLINE void transpose_square(const uint8_t *x, ptrdiff_t x_stride, uint8_t *y, ptrdiff_t y_stride) {
  uint64_t r[8];
  UNROLL for (int i = 0; i < 8; i++) memcpy(&r[i], x + i * x_stride, 8);
  const uint64_t masks[3] = {0x00000000ffffffffull, 0x0000ffff0000ffffull, 0x00ff00ff00ff00ffull};
  UNROLL for (int step = 0; step < 3; step++) {
    const int apart = 4 >> step, shift = 32 >> step;
    UNROLL for (int i = 0; i < 8; i++) {
      if (i & apart) continue;
      const uint64_t exchanged = ((r[i] >> shift) ^ r[i + apart]) & masks[step];
      r[i] ^= exchanged << shift;
      r[i + apart] ^= exchanged;
    }
  }
  UNROLL for (int i = 0; i < 8; i++) memcpy(y + i * y_stride, &r[i], 8);
}

void KERNEL(transpose_8)(
  const uint8_t *x, ptrdiff_t x_stride, uint8_t *y, ptrdiff_t y_stride, ptrdiff_t rows, ptrdiff_t columns) {
  const ptrdiff_t whole_rows = rows - rows % 8, whole_columns = columns - columns % 8;
  for (ptrdiff_t r = 0; r < whole_rows; r += 8) {
    for (ptrdiff_t c = 0; c < whole_columns; c += 8) {
      transpose_square(x + r * x_stride + c, x_stride, y + c * y_stride + r, y_stride);
    }
  }
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t c = r < whole_rows ? whole_columns : 0; c < columns; c++) y[c * y_stride + r] = x[r * x_stride + c];
  }
}
