#include "check.h"

#include <float.h>

// NHWC pooling, scales and shifts against the plain loops of their definition.

typedef struct {
  ptrdiff_t batch, channels, height, width, kernel_height, kernel_width, stride, dilation, pad_begin, pad_end;
} pool_case;

static const pool_case cases[] = {
  {1, 1, 1, 1, 1, 1, 1, 1, 0, 0},   {2, 3, 5, 6, 2, 2, 2, 1, 0, 0},   {1, 17, 9, 8, 3, 3, 2, 1, 1, 1},
  {1, 64, 7, 7, 3, 3, 1, 1, 1, 2},  {2, 70, 7, 7, 7, 7, 1, 1, 0, 0},  {1, 33, 6, 9, 3, 2, 2, 1, 0, 1},
  {1, 16, 10, 11, 3, 3, 1, 2, 2, 2}, {1, 130, 4, 4, 2, 3, 3, 1, 1, 0}, {3, 8, 2, 2, 5, 5, 1, 1, 4, 4},
};

/// The value by definition; `sum` or greatest.
static double pooled(const adze_pool2d_f32 *p, bool sums, ptrdiff_t line, ptrdiff_t ox, ptrdiff_t channel) {
  const adze_window2d *w = &p->window;
  const float *image = p->x + line / w->output_height * p->x_image_stride;
  double sum = 0, greatest = -FLT_MAX;
  ptrdiff_t counted = 0;
  for (ptrdiff_t tap = 0; tap < w->kernel_height * w->kernel_width; tap++) {
    const ptrdiff_t iy = line % w->output_height * w->stride_height - w->pad_top + tap / w->kernel_width * w->dilation_height;
    const ptrdiff_t ix = ox * w->stride_width - w->pad_left + tap % w->kernel_width * w->dilation_width;
    const bool inside = iy >= 0 && iy < w->height && ix >= 0 && ix < w->width;
    counted += inside || (p->includes_padding && iy < w->height + p->pad_bottom && ix < w->width + p->pad_right);
    if (!inside) continue;
    const float x = image[(iy * w->width + ix) * p->x_pixel_stride + channel];
    sum += x;
    if (!isnan(greatest) && !(x <= greatest)) greatest = x;
  }
  return sums ? sum / (double)counted : greatest;
}

static void check_pool(checker *c, const pool_case *s, bool sums, bool includes_padding, int at) {
  const ptrdiff_t span = s->dilation, pixel = s->channels + 2, pads = s->pad_begin + s->pad_end;
  const ptrdiff_t oh = (s->height + pads - (s->kernel_height - 1) * span - 1) / s->stride + 1;
  const ptrdiff_t ow = (s->width + pads - (s->kernel_width - 1) * span - 1) / s->stride + 1;
  const ptrdiff_t x_count = s->batch * s->height * s->width * pixel - 2, y_count = s->batch * oh * ow * pixel - 2;
  float *x = random_floats(x_count, -1, 1);
  if (!sums) x[x_count / 2] = NAN;
  const adze_pool2d_f32 p = {
    .window = {s->channels, s->height, s->width, s->kernel_height, s->kernel_width, s->stride, s->stride, s->dilation,
      s->dilation, s->pad_begin, s->pad_begin, oh, ow},
    .x = x, .x_image_stride = s->height * s->width * pixel, .x_pixel_stride = pixel,
    .y = guarded((size_t)y_count * 4, 0xff), .y_pixel_stride = pixel, .includes_padding = includes_padding,
    .pad_bottom = s->pad_end, .pad_right = s->pad_end};
  adze_pool2d_f32_fn *run = sums ? c->kernels->average_pool_nhwc_f32 : c->kernels->max_pool_nhwc_f32;
  run(&p, 0, s->batch * oh / 2);
  run(&p, s->batch * oh / 2, s->batch * oh);
  for (ptrdiff_t i = 0; i < y_count; i++) {
    const uint32_t untouched = UINT32_MAX;
    const ptrdiff_t channel = i % pixel, at_pixel = i / pixel;
    if (channel >= s->channels) {
      expect(c, same_bits(&p.y[i], &untouched, 4), "case %d wrote beside pixel %td", at, at_pixel);
      continue;
    }
    const double wanted = pooled(&p, sums, at_pixel / ow, at_pixel % ow, channel);
    const bool ok = isnan(wanted) ? isnan(p.y[i]) : fabs(p.y[i] - wanted) <= (sums ? 4e-6 : 0);
    expect(c, ok, "case %d pixel %td channel %td: %.9g, not %.9g", at, at_pixel, channel, p.y[i], wanted);
  }
  release_all();
}

void check_max_pool_nhwc_f32(checker *c) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_pool(c, &cases[i], false, false, (int)i);
}
void check_average_pool_nhwc_f32(checker *c) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    check_pool(c, &cases[i], true, false, (int)i);
    check_pool(c, &cases[i], true, true, (int)i);
  }
}

static void check_scale_shift(checker *c, ptrdiff_t pixels, ptrdiff_t channels, bool clamps) {
  const ptrdiff_t x_stride = channels + 3, y_stride = channels + 1;
  const float *x = random_floats(pixels * x_stride - 3, -2, 2);
  if (pixels > 1) ((float *)x)[x_stride] = NAN;
  adze_scale_shift_f32 s = {
    .channels = channels, .x = x, .x_pixel_stride = x_stride, .scale = random_floats(channels, -1, 1),
    .shift = random_floats(channels, -1, 1), .y = guarded((size_t)(pixels * y_stride - 1) * 4, 0xff),
    .y_pixel_stride = y_stride, .clamps = clamps, .minimum = -0.5f, .maximum = 0.75f};
  c->kernels->scale_shift_nhwc_f32(&s, 0, pixels / 2);
  c->kernels->scale_shift_nhwc_f32(&s, pixels / 2, pixels);
  for (ptrdiff_t i = 0; i < pixels * y_stride - 1; i++) {
    const uint32_t untouched = UINT32_MAX;
    const ptrdiff_t pixel = i / y_stride, channel = i % y_stride;
    if (channel == channels) {
      expect(c, same_bits(&s.y[i], &untouched, 4), "wrote beside pixel %td", pixel);
      continue;
    }
    double wanted = (double)x[pixel * x_stride + channel] * s.scale[channel] + s.shift[channel];
    if (clamps) wanted = wanted < -0.5 ? -0.5 : wanted > 0.75 ? 0.75 : wanted;
    const bool ok = isnan(wanted) ? isnan(s.y[i]) : fabs(s.y[i] - wanted) <= 4e-7;
    expect(c, ok, "%td channels, pixel %td channel %td: %.9g, not %.9g", channels, pixel, channel, s.y[i], wanted);
  }
  release_all();
}

void check_scale_shift_nhwc_f32(checker *c) {
  static const ptrdiff_t sizes[] = {1, 3, 4, 5, 8, 15, 16, 17, 63, 64, 65, 130};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (ptrdiff_t pixels = 1; pixels < 80; pixels += 13) {
      check_scale_shift(c, pixels, sizes[i], false);
      check_scale_shift(c, pixels, sizes[i], true);
    }
  }
}
