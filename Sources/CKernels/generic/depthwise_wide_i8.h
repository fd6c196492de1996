// Depthwise convolution of 8-bit images, four vectors of channels at once: rows of bytes are interleaved to words
// (word_quads), so that no byte is widened by itself. The including file sets DEPTHWISE_WIDE, the neighbouring pixels
// whose sums stay in registers.
//
// Images of 2 VL channels are taken as half as many pixels of 4 VL. What a block of channels needs is arranged in scratch
// memory once a call: offsets, scales, biases, then [quads][kernel_width] times four vectors of words.

// Channels of a block.
#define WIDE (4 * VL)

/// One output line of one block.
typedef struct {
  const adze_conv2d_i8 *conv;
  const uint8_t *const *rows;  // as depthwise8_line has them
  const ptrdiff_t *steps;
  const int32_t *values, *taps;
  ptrdiff_t quads, channel, pixel;
  vi padding, flip;
} wide8_line;

/// 32-bit values of a block.
ALWAYS_INLINE ptrdiff_t wide8_values(const adze_window2d *w) { return (12 + 4 * depthwise_i8_quads(w) * w->kernel_width) * VL; }

/// What the block from `channel` on needs, in the order of word_quads.
static void wide8_arrange(const adze_conv2d_i8 *c, ptrdiff_t channel, int32_t *to) {
  const adze_window2d *w = &c->window;
  const int32_t zero_point = c->x_zero_point + (c->x_signed ? 128 : 0);
  const ptrdiff_t words = depthwise_i8_quads(w) * w->kernel_width;
  for (ptrdiff_t at = 0; at < WIDE; at += 4) {
    const ptrdiff_t first = (channel + at) % c->groups, place = at % 16 / 4 * VL + at / 16 * 4;
    const int32_t *packed = (const int32_t *)c->weights_packed + first / VL * (1 + words) * VL + first % VL;
    for (int j = 0; j < 4; j++) {
      const uint32_t sum = (uint32_t)packed[j] * (uint32_t)zero_point;
      const float scale = c->scale ? c->scale[c->scale_stride ? first + j : 0] : 1;
      const float bias = c->epilogue.column_bias ? c->epilogue.column_bias[first + j] : 0;
      to[place + j] = (int32_t)((c->bias ? (uint32_t)c->bias[first + j] : 0) - sum);
      memcpy(to + 4 * VL + place + j, &scale, sizeof scale);
      memcpy(to + 8 * VL + place + j, &bias, sizeof bias);
    }
    for (ptrdiff_t i = 0; i < words; i++) memcpy(to + (12 + 4 * i) * VL + place, packed + (1 + i) * VL, 16);
  }
}

/// The words of `taps` rows from `row` on in image column `x`.
ALWAYS_INLINE void wide8_words(const int taps, const wide8_line *l, ptrdiff_t row, ptrdiff_t x, vi words[4]) {
  vi bytes[4];
  UNROLL for (int j = 0; j < 4; j++) {
    const void *from = l->rows[row + j] + x * l->steps[row + j] + l->channel;
    bytes[j] = j < taps ? vi_xor(vi_load(from), l->flip) : vi_set1(0);
  }
  word_quads(bytes, words);
}

/// `outputs` pixels from `x` on, `apart` from each other, whose windows are inside from left to right.
ALWAYS_INLINE void wide8_pixels(
  const int outputs, const int taps, const int width, const int step, const wide8_line *l, const i8_result *result,
  ptrdiff_t x, ptrdiff_t apart) {
  vi acc[DEPTHWISE_WIDE][4];
  UNROLL for (int o = 0; o < outputs; o++) UNROLL for (int t = 0; t < 4; t++) acc[o][t] = vi_set1(0);
  const ptrdiff_t first = x * l->conv->window.stride_width - l->conv->window.pad_left;
  for (ptrdiff_t q = 0; q < (taps < 4 ? 1 : l->quads); q++) {
    UNROLL for (int column = 0; column < (outputs - 1) * step + width; column++) {
      vi words[4];
      wide8_words(taps, l, 4 * q, first + column, words);
      UNROLL for (int o = 0; o < outputs; o++) {
        const int kx = column - o * step;
        if (kx < 0 || kx >= width) continue;
        const int32_t *w = l->taps + (q * width + kx) * WIDE;
        UNROLL for (int t = 0; t < 4; t++) acc[o][t] = dot_4(acc[o][t], words[t], vi_load(w + t * VL));
      }
    }
  }
  UNROLL for (int o = 0; o < outputs; o++) {
    finish_quads(l->conv, result, l->values, acc[o], (l->pixel + x + o * apart) * l->conv->y_pixel_stride + l->channel);
  }
}

/// One pixel whose window may reach beyond the edges.
static void wide8_any(const wide8_line *l, const i8_result *result, ptrdiff_t x) {
  const adze_window2d *w = &l->conv->window;
  vi acc[4] = {vi_set1(0), vi_set1(0), vi_set1(0), vi_set1(0)};
  for (ptrdiff_t q = 0; q < l->quads; q++) {
    for (ptrdiff_t kx = 0; kx < w->kernel_width; kx++) {
      const ptrdiff_t column = x * w->stride_width - w->pad_left + kx * w->dilation_width;
      vi words[4] = {l->padding, l->padding, l->padding, l->padding};
      if (column >= 0 && column < w->width) wide8_words(4, l, 4 * q, column, words);
      const int32_t *taps = l->taps + (q * w->kernel_width + kx) * WIDE;
      UNROLL for (int t = 0; t < 4; t++) acc[t] = dot_4(acc[t], words[t], vi_load(taps + t * VL));
    }
  }
  finish_quads(l->conv, result, l->values, acc, (l->pixel + x) * l->conv->y_pixel_stride + l->channel);
}

/// Pixels [x, end), as many as are whole groups of `outputs`; where the others begin.
typedef ptrdiff_t wide8_fn(const wide8_line *, const i8_result *, ptrdiff_t x, ptrdiff_t end, ptrdiff_t apart);
#define WIDE8(name, taps, width, step)                                                                          \
  static ptrdiff_t wide8_##name(                                                                                \
    const wide8_line *l, const i8_result *r, ptrdiff_t x, ptrdiff_t end, ptrdiff_t apart) {                     \
    for (; x + DEPTHWISE_WIDE * apart <= end; x += DEPTHWISE_WIDE * apart) {                                    \
      wide8_pixels(DEPTHWISE_WIDE, taps, width, step, l, r, x, apart);                                          \
    }                                                                                                           \
    for (; x + apart <= end; x += apart) wide8_pixels(1, taps, width, step, l, r, x, apart);                    \
    return x;                                                                                                   \
  }
WIDE8(3x3, 3, 3, 1)
WIDE8(3x3s2, 3, 3, 2)
WIDE8(5, 4, 5, 1)
WIDE8(5s2, 4, 5, 2)

/// Kernels that take output pixels `step` input columns apart.
static wide8_fn *wide8_for(const adze_window2d *w, ptrdiff_t step) {
  if (w->dilation_width != 1 || step > 2) return NULL;
  if (w->kernel_width == 3 && w->kernel_height == 3) return step == 1 ? wide8_3x3 : wide8_3x3s2;
  if (w->kernel_width == 5) return step == 1 ? wide8_5 : wide8_5s2;
  return NULL;
}

/// Whether two pixels lie next to each other as one block.
ALWAYS_INLINE bool wide8_pairs(const adze_conv2d_i8 *c) {
  return c->groups == WIDE / 2 && c->x_pixel_stride == c->groups && c->y_pixel_stride == c->groups
    && c->window.stride_width == 1;
}
