// Depthwise convolution of 8-bit NHWC images: vectors of channels. A word holds four taps of a channel, one below the
// other, so that dot_4(acc, a, b) (a unsigned, b signed bytes) multiplies a column of the window at once, and neighbouring
// pixels share it.
//
// Packed filters, for each VL channels: their sums (int32), then [quads][kernel_width][VL] words of four taps.

#include "part_bytes.h"

/// One output line of one vector of channels.
typedef struct {
  const adze_conv2d_i8 *conv;
  const uint8_t *const *rows;  // of the window: the first column's first channel, or bytes of padding
  const ptrdiff_t *steps;      // bytes between columns; 0 in the padding
  const int8_t *taps;
  ptrdiff_t quads, channel, count, pixel;
  vi padding, flip;
  i8_filters filters;
} depthwise8_line;

/// The word of `taps` rows from `row` on in image column `x`.
ALWAYS_INLINE vi taps_word(const int taps, const depthwise8_line *l, ptrdiff_t row, ptrdiff_t x, const ptrdiff_t count) {
  vi word = vi_set1(0);
  UNROLL for (int j = 0; j < taps; j++) {
    const vi bytes = load_part_8(l->rows[row + j] + x * l->steps[row + j] + l->channel, false, count);
    word = j ? vi_xor(word, vi_shift_left(bytes, 8 * j)) : bytes;
  }
  return vi_xor(word, l->flip);
}

ALWAYS_INLINE vi taps_at(const depthwise8_line *l, ptrdiff_t quad, ptrdiff_t column) {
  return vi_load((const int32_t *)(const void *)l->taps + (quad * l->conv->window.kernel_width + column) * VL);
}

/// One pixel whose window may reach beyond the edges.
static void depthwise8_any(const depthwise8_line *l, const i8_result *result, ptrdiff_t x) {
  const adze_window2d *w = &l->conv->window;
  vi acc = vi_set1(0);
  for (ptrdiff_t q = 0; q < l->quads; q++) {
    for (ptrdiff_t kx = 0; kx < w->kernel_width; kx++) {
      const ptrdiff_t column = x * w->stride_width - w->pad_left + kx * w->dilation_width;
      const bool inside = column >= 0 && column < w->width;
      const vi word = inside ? taps_word(4, l, 4 * q, column, l->count) : l->padding;
      acc = dot_4(acc, word, taps_at(l, q, kx));
    }
  }
  const ptrdiff_t at = (l->pixel + x) * l->conv->y_pixel_stride + l->channel;
  finish_filters(l->conv, result, &l->filters, acc, at, l->count);
}

/// `outputs` neighbouring pixels from `x` on, whose windows are inside from left to right.
ALWAYS_INLINE void depthwise8_pixels(
  const int outputs, const int taps, const int width, const int stride, const depthwise8_line *l,
  const i8_result *result, ptrdiff_t x, const ptrdiff_t count) {
  vi acc[4];
  UNROLL for (int o = 0; o < outputs; o++) acc[o] = vi_set1(0);
  const ptrdiff_t first = x * stride - l->conv->window.pad_left;
  for (ptrdiff_t q = 0; q < (taps < 4 ? 1 : l->quads); q++) {
    UNROLL for (int column = 0; column < (outputs - 1) * stride + width; column++) {
      const vi word = taps_word(taps, l, 4 * q, first + column, count);
      UNROLL for (int o = 0; o < outputs; o++) {
        const int kx = column - o * stride;
        if (kx >= 0 && kx < width) acc[o] = dot_4(acc[o], word, taps_at(l, q, kx));
      }
    }
  }
  UNROLL for (int o = 0; o < outputs; o++) {
    const ptrdiff_t at = (l->pixel + x + o) * l->conv->y_pixel_stride + l->channel;
    finish_filters(l->conv, result, &l->filters, acc[o], at, count);
  }
}

ALWAYS_INLINE void depthwise8_inner(
  const int taps, const int width, const int stride, const depthwise8_line *l, const i8_result *result, ptrdiff_t x,
  ptrdiff_t end) {
  if (l->count == VL) {
    for (; x + 4 <= end; x += 4) depthwise8_pixels(4, taps, width, stride, l, result, x, VL);
  } else {
    for (; x + 4 <= end; x += 4) depthwise8_pixels(4, taps, width, stride, l, result, x, l->count);
  }
  for (; x < end; x++) depthwise8_any(l, result, x);
}

typedef void depthwise8_fn(const depthwise8_line *, const i8_result *, ptrdiff_t x, ptrdiff_t end);
#define DEPTHWISE8(name, taps, width, stride)                                                              \
  static void depthwise8_##name(const depthwise8_line *l, const i8_result *r, ptrdiff_t x, ptrdiff_t end) { \
    depthwise8_inner(taps, width, stride, l, r, x, end);                                                   \
  }
DEPTHWISE8(3x3, 3, 3, 1)
DEPTHWISE8(3x3s2, 3, 3, 2)
DEPTHWISE8(5, 4, 5, 1)
DEPTHWISE8(5s2, 4, 5, 2)
static void depthwise8_others(const depthwise8_line *l, const i8_result *r, ptrdiff_t x, ptrdiff_t end) {
  for (; x < end; x++) depthwise8_any(l, r, x);
}

static depthwise8_fn *depthwise8_for(const adze_window2d *w) {
  if (w->dilation_width == 1 && w->kernel_width == 3 && w->kernel_height == 3 && w->stride_width == 1) return depthwise8_3x3;
  if (w->dilation_width == 1 && w->kernel_width == 3 && w->kernel_height == 3 && w->stride_width == 2) return depthwise8_3x3s2;
  if (w->dilation_width == 1 && w->kernel_width == 5 && w->stride_width == 1) return depthwise8_5;
  if (w->dilation_width == 1 && w->kernel_width == 5 && w->stride_width == 2) return depthwise8_5s2;
  return depthwise8_others;
}

#ifdef DEPTHWISE_WIDE
#include "depthwise_wide_i8.h"
#endif

ALWAYS_INLINE ptrdiff_t depthwise8_vector_bytes(const adze_window2d *w) {
  return VL * 4 * (1 + depthwise_i8_quads(w) * w->kernel_width);
}

void KERNEL(conv2d_depthwise_i8)(
  const adze_conv2d_i8 *c, void *scratch, ptrdiff_t line_begin, ptrdiff_t line_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_window2d *w = &c->window;
  const ptrdiff_t begin = panel_begin * PANEL, end = least(panel_end * PANEL, c->groups);
  if (begin >= end) return;
  const ptrdiff_t quads = depthwise_i8_quads(w), vector_bytes = depthwise8_vector_bytes(w);
  const uint8_t flip = c->x_signed ? 0x80 : 0;
  const i8_result result = result_of(c);
  depthwise8_fn *inner_pixels = depthwise8_for(w);
  const ptrdiff_t padding_bytes = depthwise_i8_padding(c->groups);
  memset(scratch, (uint8_t)c->x_zero_point, (size_t)padding_bytes);
#ifdef DEPTHWISE_WIDE
  const bool bytes = c->output == ADZE_I8_OUTPUT_U8 || c->output == ADZE_I8_OUTPUT_S8;
  const bool pairs = bytes && wide8_pairs(c);
  wide8_fn *wide_pixels = wide8_for(w, pairs ? 2 : w->stride_width);
  // The last block overlaps the one before it where whole words allow.
  const bool covers = pairs || (end - begin >= WIDE && end % 4 == 0);
  const ptrdiff_t wide_blocks = !bytes || (pairs && !wide_pixels) ? 0 : covers ? (end - begin + WIDE - 1) / WIDE : (end - begin) / WIDE;
  int32_t *values = (int32_t *)(void *)((uint8_t *)scratch + padding_bytes);
  for (ptrdiff_t i = 0; i < wide_blocks; i++) {
    wide8_arrange(c, pairs ? 0 : least(begin + i * WIDE, end - WIDE), values + i * wide8_values(w));
  }
#endif
  const uint8_t *rows[DEPTHWISE_I8_ROWS];
  ptrdiff_t steps[DEPTHWISE_I8_ROWS];
  depthwise8_line l = {.conv = c, .rows = rows, .steps = steps, .quads = quads,
    .padding = vi_set1((int32_t)((uint8_t)((uint8_t)c->x_zero_point ^ flip) * 0x01010101u)),
    .flip = vi_set1((int32_t)(flip * 0x01010101u))};
  const ptrdiff_t stride = w->stride_width, room = w->width + w->pad_left - (w->kernel_width - 1) * w->dilation_width;
  const ptrdiff_t inner = least(w->output_width, (w->pad_left + stride - 1) / stride);
  const ptrdiff_t inner_end = most(inner, least(w->output_width, room <= 0 ? 0 : (room + stride - 1) / stride));
  for (ptrdiff_t line = line_begin; line < line_end; line++) {
    const ptrdiff_t top = line % w->output_height * w->stride_height - w->pad_top;
    const uint8_t *image = (const uint8_t *)c->x + line / w->output_height * c->x_image_stride;
    for (ptrdiff_t ky = 0; ky < 4 * quads; ky++) {
      const ptrdiff_t y = top + ky * w->dilation_height;
      const bool inside = ky < w->kernel_height && y >= 0 && y < w->height;
      rows[ky] = inside ? image + y * w->width * c->x_pixel_stride : scratch;
      steps[ky] = inside ? c->x_pixel_stride : 0;
    }
    l.pixel = line * w->output_width;
    ptrdiff_t channel = begin, x_wide = inner;
#ifdef DEPTHWISE_WIDE
    for (ptrdiff_t i = 0; i < wide_blocks; i++) {
      const int32_t *own = values + i * wide8_values(w);
      const wide8_line wide = {.conv = c, .rows = rows, .steps = steps, .values = own, .taps = own + 12 * VL, .quads = quads,
        .channel = pairs ? 0 : least(begin + i * WIDE, end - WIDE), .pixel = l.pixel, .padding = l.padding, .flip = l.flip};
      if (pairs) {
        x_wide = wide_pixels(&wide, &result, inner, inner_end, 2);
        continue;
      }
      for (ptrdiff_t x = 0; x < inner; x++) wide8_any(&wide, &result, x);
      ptrdiff_t x = inner;
      if (wide_pixels) x = wide_pixels(&wide, &result, x, inner_end, 1);
      for (; x < w->output_width; x++) wide8_any(&wide, &result, x);
    }
    if (!pairs) channel = least(end, begin + wide_blocks * WIDE);
#endif
    for (; channel < end; channel += VL) {
      const int8_t *packed = (const int8_t *)c->weights_packed + channel / VL * vector_bytes;
      l.taps = packed + VL * 4, l.channel = channel, l.count = least(VL, end - channel);
      l.filters = filters_at(
        c, (const int32_t *)(const void *)packed, c->x_zero_point + (c->x_signed ? 128 : 0), channel, l.count);
      for (ptrdiff_t x = 0; x < inner; x++) depthwise8_any(&l, &result, x);
      inner_pixels(&l, &result, x_wide, inner_end);
      for (ptrdiff_t x = inner_end; x < w->output_width; x++) depthwise8_any(&l, &result, x);
    }
    const adze_epilogue_f32 *e = &c->epilogue;
    if (c->output != ADZE_I8_OUTPUT_F32 || !e->activation) continue;
    for (ptrdiff_t x = 0; x < w->output_width; x++) {
      float *y = (float *)c->y + (line * w->output_width + x) * c->y_pixel_stride + begin;
      e->activation(y, y, end - begin, e->alpha, e->beta);
    }
  }
}

void KERNEL(pack_conv2d_depthwise_i8)(
  const adze_conv2d_i8 *c, const void *weights, bool weights_signed, void *packed, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_window2d *w = &c->window;
  const ptrdiff_t taps = w->kernel_height * w->kernel_width, quads = depthwise_i8_quads(w);
  const uint8_t flip = weights_signed ? 0 : 0x80;
  for (ptrdiff_t first = panel_begin * PANEL; first < panel_end * PANEL; first += VL) {
    int8_t *to = (int8_t *)packed + first / VL * depthwise8_vector_bytes(w), *words = to + VL * 4;
    memset(to, 0, (size_t)depthwise8_vector_bytes(w));
    for (ptrdiff_t i = 0; i < least(VL, c->groups - first); i++) {
      const uint8_t *from = (const uint8_t *)weights + (first + i) * taps;
      int32_t sum = 0;
      for (ptrdiff_t q = 0; q < quads; q++) {
        for (ptrdiff_t kx = 0; kx < w->kernel_width; kx++) {
          for (ptrdiff_t j = 0; j < least(4, w->kernel_height - 4 * q); j++) {
            const int8_t value = (int8_t)(from[(4 * q + j) * w->kernel_width + kx] ^ flip);
            words[((q * w->kernel_width + kx) * VL + i) * 4 + j] = value;
            sum += value;
          }
        }
      }
      memcpy(to + i * 4, &sum, sizeof sum);
    }
  }
}
