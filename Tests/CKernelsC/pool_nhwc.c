#include "check.h"

#include <float.h>

// NHWC pooling against the plain loops of its definition.

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
