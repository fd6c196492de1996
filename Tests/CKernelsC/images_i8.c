#include "check.h"

typedef struct {
  ptrdiff_t batch, channels, height, width, kernel, stride, dilation, pad;
} pool_case;

static ptrdiff_t outputs(ptrdiff_t extent, const pool_case *s) {
  return (extent + 2 * s->pad - (s->kernel - 1) * s->dilation - 1) / s->stride + 1;
}

static int32_t value(const uint8_t *x, ptrdiff_t at, bool is_signed) { return is_signed ? (int8_t)x[at] : x[at]; }

static int32_t saturated(double x, bool is_signed) {
  const double low = is_signed ? -128 : 0;
  return (int32_t)(x < low ? low : x > low + 255 ? low + 255 : x);
}

/// The value of one channel of one output pixel.
static int32_t pooled(const adze_pool2d_i8 *p, bool is_max, ptrdiff_t pixel, ptrdiff_t channel) {
  const adze_window2d *w = &p->window;
  const ptrdiff_t ox = pixel % w->output_width, oy = pixel / w->output_width % w->output_height;
  const uint8_t *image = (const uint8_t *)p->x + pixel / w->output_width / w->output_height * p->x_image_stride;
  int32_t greatest = p->is_signed ? -128 : 0, sum = 0, counted = 0;
  for (ptrdiff_t tap = 0; tap < w->kernel_height * w->kernel_width; tap++) {
    const ptrdiff_t y = oy * w->stride_height - w->pad_top + tap / w->kernel_width * w->dilation_height;
    const ptrdiff_t x = ox * w->stride_width - w->pad_left + tap % w->kernel_width * w->dilation_width;
    const bool inside = y >= 0 && y < w->height && x >= 0 && x < w->width;
    const bool in_padding = y < w->height + p->pad_bottom && x < w->width + p->pad_right;
    counted += inside || (p->includes_padding && in_padding);
    if (!inside) continue;
    const int32_t v = value(image, (y * w->width + x) * p->x_pixel_stride + channel, p->is_signed);
    greatest = v > greatest ? v : greatest;
    sum += v - p->x_zero_point;
  }
  if (is_max) return greatest;
  volatile float divisor = p->y_scale * (float)counted, scale = p->x_scale / divisor, x = (float)sum * scale;
  return saturated(rint((double)x) + p->y_zero_point, p->is_signed);
}

static void check_pool(checker *c, const pool_case *s, bool is_max, int form) {
  const ptrdiff_t stride = s->channels + 2;
  adze_pool2d_i8 p = {
    .window = {s->channels, s->height, s->width, s->kernel, s->kernel, s->stride, s->stride, s->dilation, s->dilation, s->pad,
      s->pad, outputs(s->height, s), outputs(s->width, s)},
    .x = random_bytes(s->batch * s->height * s->width * stride - 2), .is_signed = form & 1,
    .x_image_stride = s->height * s->width * stride, .x_pixel_stride = stride, .y_pixel_stride = s->channels + 1,
    .x_zero_point = form & 1 ? -5 : 100, .y_zero_point = form & 1 ? 7 : 90, .x_scale = 0.037f, .y_scale = 0.021f,
    .includes_padding = form & 2, .pad_bottom = s->pad, .pad_right = s->pad};
  const ptrdiff_t lines = s->batch * p.window.output_height, pixels = lines * p.window.output_width;
  const size_t bytes = (size_t)(pixels * p.y_pixel_stride - 1);
  uint8_t *y = guarded(bytes, 0x55);
  p.y = y;
  adze_pool2d_i8_fn *pool = is_max ? c->kernels->max_pool_nhwc_i8 : c->kernels->average_pool_nhwc_i8;
  for (ptrdiff_t line = 0; line < lines; line += 2) pool(&p, line, line + 2 < lines ? line + 2 : lines);
  for (size_t i = 0; i < bytes; i++) {
    const ptrdiff_t pixel = (ptrdiff_t)i / p.y_pixel_stride, channel = (ptrdiff_t)i % p.y_pixel_stride;
    const int32_t wanted = channel < s->channels ? pooled(&p, is_max, pixel, channel) : 0x55;
    const int32_t got = value(y, (ptrdiff_t)i, p.is_signed);
    expect(c, got == wanted, "pixel %td channel %td form %d: %d, not %d", pixel, channel, form, got, wanted);
  }
  release_all();
}

static void check_pools(checker *c, bool is_max) {
  FOR_SIZES(channels) {
    if (channels == 0 || channels > 200) continue;
    const pool_case cases[] = {
      {1, channels, 5, 6, 2, 2, 1, 0}, {2, channels, 7, 7, 3, 2, 1, 1}, {1, channels, 4, 5, 3, 1, 2, 1},
      {1, channels, 7, 7, 7, 1, 1, 0}, {1, channels, 1, 1, 1, 1, 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      for (int form = 0; form < 4; form++) check_pool(c, &cases[i], is_max, form);
    }
  }
}
void check_max_pool_nhwc_i8(checker *c) { check_pools(c, true); }
void check_average_pool_nhwc_i8(checker *c) { check_pools(c, false); }

static int32_t added(const adze_add_i8 *s, int32_t a, int32_t b) {
  volatile float x = (float)(a - s->a_zero_point) * s->a_scale, y = (float)(b - s->b_zero_point) * s->b_scale, sum = x + y;
  if (s->clamps) sum = sum < s->minimum ? s->minimum : sum > s->maximum ? s->maximum : sum;
  volatile float quotient = sum / s->y_scale;
  return saturated(rint((double)quotient) + s->y_zero_point, s->y_signed);
}

/// All pairs of bytes: every quotient that the scales can give.
static void check_add(checker *c, adze_add_i8 s) {
  uint8_t *a = guarded(65536, 0), *b = guarded(65536, 0), *y = guarded(65536, 0x55);
  for (int i = 0; i < 65536; i++) a[i] = (uint8_t)(i >> 8), b[i] = (uint8_t)i;
  c->kernels->add_i8(&s, a, b, y, 65536);
  for (int i = 0; i < 65536; i++) {
    const int32_t wanted = added(&s, value(a, i, s.a_signed), value(b, i, s.b_signed)), got = value(y, i, s.y_signed);
    expect(c, got == wanted, "%d + %d = %d, not %d (scales %.9g %.9g %.9g)", a[i], b[i], got, wanted, s.a_scale, s.b_scale, s.y_scale);
  }
  FOR_SIZES(n) {
    uint8_t *tail = guarded((size_t)n, 0);
    const ptrdiff_t at = 4000 + n;
    memcpy(tail, a + at, (size_t)n);
    c->kernels->add_i8(&s, tail, b + at, tail, n);
    expect(c, same_bits(tail, y + at, (size_t)n), "in place, %td elements", n);
  }
  release_all();
}

void check_add_i8(checker *c) {
  for (int form = 0; form < 24; form++) {
    const float *scales = random_floats(3, 0.001f, 0.1f);
    const bool a_signed = form & 1, b_signed = form & 2, y_signed = form & 4;
    // Equal scales make many quotients that lie half-way between two integers.
    const float y_scale = form % 3 == 0 ? 2 * scales[0] : scales[2], b_scale = form % 3 ? scales[1] : scales[0];
    check_add(c, (adze_add_i8){a_signed, b_signed, y_signed, a_signed ? -4 : 120, b_signed ? 9 : 3, y_signed ? -20 : 0,
      scales[0], b_scale, y_scale, form & 8, -0.5f, 2.5f});
  }
  // Scales whose reciprocal does not do: a fraction of all ones, an infinity, a denormal.
  const float others[] = {0x1.fffffep-5f, 0x1p-120f, 0x1p100f};
  for (int i = 0; i < 3; i++) check_add(c, (adze_add_i8){0, 0, 0, 8, 8, 8, others[i], others[i], others[i], 0, 0, 0});
}

void check_lookup_8(checker *c) {
  const uint8_t *table = random_bytes(256);
  FOR_SIZES(n) {
    uint8_t *x = random_bytes(n), *y = guarded((size_t)n, 0x55);
    c->kernels->lookup_8(x, table, y, n);
    for (ptrdiff_t i = 0; i < n; i++) expect(c, y[i] == table[x[i]], "%td of %td", i, n);
    c->kernels->lookup_8(x, table, x, n);
    expect(c, same_bits(x, y, (size_t)n), "in place, %td elements", n);
  }
}

void check_transpose_8(checker *c) {
  FOR_SIZES(rows) {
    FOR_SIZES(columns) {
      if (rows * columns == 0 || rows * columns > 5000) continue;
      const ptrdiff_t x_stride = columns + 3, y_stride = rows + 1;
      uint8_t *x = random_bytes(rows * x_stride - 3), *y = guarded((size_t)(columns * y_stride - 1), 0x55);
      c->kernels->transpose_8(x, x_stride, y, y_stride, rows, columns);
      for (ptrdiff_t i = 0; i < columns * y_stride - 1; i++) {
        const ptrdiff_t r = i % y_stride, column = i / y_stride;
        const uint8_t wanted = r < rows ? x[r * x_stride + column] : 0x55;
        expect(c, y[i] == wanted, "%td x %td [%td, %td]", rows, columns, column, r);
      }
      release_all();
    }
  }
}
