#include "check.h"

#include <float.h>

static const adze_window2d windows[] = {
  // channels, h, w, kernel h, w, stride, dilation, pad top, left; output sizes are filled in
  {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},  {3, 5, 7, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
  {2, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},  {2, 9, 17, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0},
  {3, 16, 33, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}, {1, 7, 40, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0},
  {2, 12, 70, 3, 3, 2, 2, 1, 1, 0, 0, 0, 0}, {1, 20, 35, 5, 4, 1, 2, 2, 3, 4, 2, 0, 0},
  {2, 6, 3, 5, 5, 1, 1, 1, 1, 2, 2, 0, 0},  {1, 30, 66, 7, 7, 3, 3, 1, 1, 3, 3, 0, 0},
  {1, 1, 50, 1, 9, 1, 1, 1, 1, 0, 4, 0, 0}, {1, 2, 2, 3, 3, 1, 1, 1, 1, 2, 2, 0, 0},
  {1, 5, 5, 1, 1, 3, 3, 1, 1, 0, 0, 0, 0},  {1, 40, 40, 3, 3, 1, 1, 2, 2, 2, 2, 0, 0},
  {2, 14, 14, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0}, {1, 4, 129, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0},
  {1, 8, 8, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0},   {2, 9, 35, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0},
  {1, 520, 66, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, {1, 4, 8193, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0},
  {1, 4, 8195, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, {1, 7, 9, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0},
};

/// Symmetric padding; `ragged` leaves the last row and column of output away, as padding 'same' does.
static adze_window2d window_at(size_t i, bool ragged) {
  adze_window2d w = windows[i];
  w.output_height = (w.height + 2 * w.pad_top - (w.kernel_height - 1) * w.dilation_height - 1) / w.stride_height + 1;
  w.output_width = (w.width + 2 * w.pad_left - (w.kernel_width - 1) * w.dilation_width - 1) / w.stride_width + 1;
  if (ragged && w.output_height > 1 && w.output_width > 1) {
    w.output_height--;
    w.output_width--;
  }
  return w;
}
#define FOR_WINDOWS(w)                                              \
  for (size_t w##_at = 0; w##_at < 2 * (sizeof windows / sizeof *windows); w##_at++) \
    for (adze_window2d w = window_at(w##_at / 2, w##_at % 2), *w##_once = &w; w##_once; w##_once = NULL)

/// Index into the plane of the pixel under tap (ky, kx) of output (y, x); -1 in the padding.
static ptrdiff_t pixel(const adze_window2d *w, ptrdiff_t y, ptrdiff_t x, ptrdiff_t ky, ptrdiff_t kx) {
  const ptrdiff_t iy = y * w->stride_height - w->pad_top + ky * w->dilation_height;
  const ptrdiff_t ix = x * w->stride_width - w->pad_left + kx * w->dilation_width;
  return iy < 0 || iy >= w->height || ix < 0 || ix >= w->width ? -1 : iy * w->width + ix;
}

void check_im2col_pack_b_f32(checker *c) {
  FOR_WINDOWS(w) {
    const ptrdiff_t taps = w.kernel_height * w.kernel_width, k = w.channels * taps, n = w.output_height * w.output_width;
    float *image = random_floats(w.channels * w.height * w.width, -1, 1), *matrix = guarded((size_t)(k * n) * 4, 0);
    for (ptrdiff_t row = 0; row < k; row++) {
      for (ptrdiff_t at = 0; at < n; at++) {
        const ptrdiff_t from = pixel(&w, at / w.output_width, at % w.output_width, row % taps / w.kernel_width, row % w.kernel_width);
        matrix[row * n + at] = from < 0 ? 0 : image[row / taps * w.height * w.width + from];
      }
    }
    const ptrdiff_t count = adze_gemm_f32_packed_count(c->kernels, k, n), panels = count / k / c->kernels->gemm_f32_panel;
    float *wanted = guarded((size_t)count * 4, 0xff), *got = guarded((size_t)count * 4, 0xff);
    c->kernels->pack_b_f32(matrix, n, 1, k, n, wanted, 0, panels);
    for (ptrdiff_t panel = 0; panel < panels; panel += 2) {
      c->kernels->im2col_pack_b_f32(&w, image, got, panel, panel + 2 < panels ? panel + 2 : panels);
    }
    expect(c, same_bits(wanted, got, (size_t)count * 4), "window %zu", w_at);
    release_all();
  }
}

void check_im2col_8(checker *c) {
  FOR_WINDOWS(w) {
    const ptrdiff_t taps = w.kernel_height * w.kernel_width, k = w.channels * taps, n = w.output_height * w.output_width;
    uint8_t *image = random_bytes(w.channels * w.height * w.width), *got = guarded((size_t)(k * n), 0xaa);
    c->kernels->im2col_8(&w, image, 77, got, 0, k / 2);
    c->kernels->im2col_8(&w, image, 77, got, k / 2, k);
    for (ptrdiff_t row = 0; row < k; row++) {
      for (ptrdiff_t at = 0; at < n; at++) {
        const ptrdiff_t from = pixel(&w, at / w.output_width, at % w.output_width, row % taps / w.kernel_width, row % w.kernel_width);
        const uint8_t wanted = from < 0 ? 77 : image[row / taps * w.height * w.width + from];
        expect(c, got[row * n + at] == wanted, "window %zu row %td column %td", w_at, row, at);
      }
    }
    release_all();
  }
}

void check_depthwise_f32(checker *c) {
  FOR_WINDOWS(w) {
    const ptrdiff_t pixels = w.output_height * w.output_width;
    float *image = random_floats(w.height * w.width, -1, 1), *y = guarded((size_t)pixels * 4, 0xff);
    float *weights = random_floats(w.kernel_height * w.kernel_width, -1, 1);
    const float low = w_at % 3 ? -INFINITY : 0, high = w_at % 3 ? INFINITY : 0.5f;
    c->kernels->depthwise_f32(&w, image, weights, 0.25f, low, high, y, 0, w.output_height / 2);
    c->kernels->depthwise_f32(&w, image, weights, 0.25f, low, high, y, w.output_height / 2, w.output_height);
    for (ptrdiff_t at = 0; at < pixels; at++) {
      double exact = 0.25, magnitude = 0.25;
      for (ptrdiff_t tap = 0; tap < w.kernel_height * w.kernel_width; tap++) {
        const ptrdiff_t from = pixel(&w, at / w.output_width, at % w.output_width, tap / w.kernel_width, tap % w.kernel_width);
        if (from < 0) continue;
        exact += (double)image[from] * weights[tap];
        magnitude += fabs((double)image[from] * weights[tap]);
      }
      exact = exact < low ? low : exact > high ? high : exact;
      const double bound = (double)(w.kernel_height * w.kernel_width + 1) * FLT_EPSILON / 2 * magnitude;
      expect(c, fabs(y[at] - exact) <= bound, "window %zu pixel %td: %.9g, not %.9g", w_at, at, y[at], exact);
    }
    release_all();
  }
}

void check_max_pool_f32(checker *c) {
  FOR_WINDOWS(w) {
    const ptrdiff_t pixels = w.output_height * w.output_width;
    float *image = random_floats(w.height * w.width, -9, -1), *y = guarded((size_t)pixels * 4, 0xff);
    if (w_at % 4 == 3) image[w.height * w.width / 2] = NAN;
    c->kernels->max_pool_f32(&w, image, y);
    for (ptrdiff_t at = 0; at < pixels; at++) {
      float wanted = -FLT_MAX;
      for (ptrdiff_t tap = 0; tap < w.kernel_height * w.kernel_width; tap++) {
        const ptrdiff_t from = pixel(&w, at / w.output_width, at % w.output_width, tap / w.kernel_width, tap % w.kernel_width);
        if (from >= 0 && !isnan(wanted) && !(image[from] <= wanted)) wanted = image[from];
      }
      expect(c, ulp_error(y[at], wanted) == 0, "window %zu pixel %td: %g, not %g", w_at, at, y[at], wanted);
    }
    release_all();
  }
}

void check_average_pool_f32(checker *c) {
  FOR_WINDOWS(w) {
    const ptrdiff_t pixels = w.output_height * w.output_width;
    // Of a bottom and right padding that is wider than the top and left one.
    const ptrdiff_t pad_bottom = w.pad_top + (w_at % 3 == 2), pad_right = w.pad_left + (w_at % 3 == 2);
    for (int includes = 0; includes < 2; includes++) {
      float *image = random_floats(w.height * w.width, -1, 1), *y = guarded((size_t)pixels * 4, 0xff);
      c->kernels->average_pool_f32(&w, image, includes, pad_bottom, pad_right, y);
      for (ptrdiff_t at = 0; at < pixels; at++) {
        double sum = 0;
        ptrdiff_t inside = 0, padded = 0;
        for (ptrdiff_t tap = 0; tap < w.kernel_height * w.kernel_width; tap++) {
          const ptrdiff_t oy = at / w.output_width, ox = at % w.output_width;
          const ptrdiff_t iy = oy * w.stride_height - w.pad_top + tap / w.kernel_width * w.dilation_height;
          const ptrdiff_t ix = ox * w.stride_width - w.pad_left + tap % w.kernel_width * w.dilation_width;
          padded += iy < w.height + pad_bottom && ix < w.width + pad_right;
          const ptrdiff_t from = pixel(&w, oy, ox, tap / w.kernel_width, tap % w.kernel_width);
          if (from < 0) continue;
          inside++;
          sum += image[from];
        }
        const double exact = sum / (double)(includes ? padded : inside);
        const bool ok = isnan(exact) ? isnan(y[at]) : fabs(y[at] - exact) <= 4e-6;
        expect(c, ok, "window %zu pixel %td includes %d: %.9g, not %.9g", w_at, at, includes, y[at], exact);
      }
      release_all();
    }
  }
}

void check_transpose_32(checker *c) {
  const ptrdiff_t sizes[] = {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 40};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
      const ptrdiff_t rows = sizes[i], columns = sizes[j], x_stride = columns + 2, y_stride = rows + 1;
      float *x = random_floats(rows * x_stride, -1, 1);
      uint32_t *y = guarded((size_t)(columns * y_stride) * 4, 0x55);
      c->kernels->transpose_32(x, x_stride, y, y_stride, rows, columns);
      bool ok = true;
      for (ptrdiff_t at = 0; at < columns * y_stride; at++) {
        const ptrdiff_t r = at % y_stride, column = at / y_stride;
        const uint32_t gap = 0x55555555;
        ok = ok && same_bits(&y[at], r < rows ? (void *)&x[r * x_stride + column] : (void *)&gap, 4);
      }
      expect(c, ok, "%td x %td", rows, columns);
      release_all();
    }
  }
}
