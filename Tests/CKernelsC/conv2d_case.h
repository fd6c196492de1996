// Sizes of convolutions, and what their checks share whatever the element type.
#ifndef CONV2D_CASE_H
#define CONV2D_CASE_H
#include "check.h"

typedef struct {
  ptrdiff_t batch, groups, channels, filters;  // of one group
  ptrdiff_t height, width, kernel_height, kernel_width, stride_height, stride_width, dilation, pad_top, pad_left;
} conv_case;

// Sizes around a vector, a panel and a tile of 4, 8 and 16 lanes; windows inside, across and beyond the edges.
#define DIRECT_CASES                                                                          \
  {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},    {1, 1, 3, 5, 5, 7, 1, 1, 1, 1, 1, 0, 0},        \
  {1, 1, 8, 8, 2, 3, 1, 1, 1, 1, 1, 0, 0},    {2, 1, 17, 33, 3, 5, 1, 1, 1, 1, 1, 0, 0},      \
  {1, 1, 16, 32, 9, 8, 3, 3, 1, 1, 1, 1, 1},  {2, 1, 5, 31, 7, 6, 3, 3, 2, 2, 1, 1, 1},       \
  {1, 1, 3, 15, 23, 21, 7, 7, 2, 2, 1, 3, 3}, {1, 1, 4, 9, 12, 13, 5, 3, 1, 2, 2, 4, 0},      \
  {2, 3, 5, 7, 6, 5, 3, 3, 1, 1, 1, 1, 1},    {1, 1, 600, 20, 3, 3, 1, 1, 1, 1, 1, 0, 0},     \
  {1, 1, 33, 17, 5, 5, 3, 3, 1, 1, 1, 2, 2},  {1, 1, 2, 3, 2, 460, 3, 3, 1, 1, 1, 1, 1},      \
  {1, 1, 2, 4, 4, 4, 1, 1, 1, 1, 1, 2, 3},    {4, 1, 300, 48, 1, 1, 1, 1, 1, 1, 1, 0, 0},     \
  {1, 1, 1, 8, 6, 6, 3, 3, 3, 1, 1, 0, 2}
#define DEPTHWISE_CASES                                                                       \
  {1, 3, 1, 1, 5, 6, 3, 3, 1, 1, 1, 1, 1},   {2, 16, 1, 1, 7, 9, 3, 3, 1, 1, 1, 1, 1},        \
  {1, 17, 1, 1, 9, 14, 3, 3, 2, 2, 1, 1, 1}, {1, 33, 1, 1, 8, 12, 5, 5, 1, 1, 1, 2, 2},       \
  {2, 31, 1, 1, 11, 17, 5, 5, 2, 2, 1, 2, 2}, {1, 70, 1, 1, 3, 3, 3, 3, 1, 1, 1, 2, 2},       \
  {1, 9, 1, 1, 10, 13, 3, 3, 1, 1, 2, 2, 2}, {1, 20, 1, 1, 9, 9, 4, 7, 3, 2, 1, 1, 3},        \
  {1, 48, 1, 1, 3, 2, 7, 7, 1, 1, 1, 3, 3},  {1, 8, 1, 1, 4, 40, 1, 3, 1, 2, 3, 0, 0}

static inline ptrdiff_t outputs_of(
  ptrdiff_t extent, ptrdiff_t pad, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t dilation) {
  return (extent + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
}

static inline adze_window2d window_of(const conv_case *s) {
  return (adze_window2d){s->channels, s->height, s->width, s->kernel_height, s->kernel_width, s->stride_height,
    s->stride_width, s->dilation, s->dilation, s->pad_top, s->pad_left,
    outputs_of(s->height, s->pad_top, s->kernel_height, s->stride_height, s->dilation),
    outputs_of(s->width, s->pad_left, s->kernel_width, s->stride_width, s->dilation)};
}

/// How the images of a case lie: channels first without gaps, or last with `gap` elements between pixels.
typedef struct {
  ptrdiff_t count, image_stride, pixel_stride, channel_stride;
} image_layout;

static inline image_layout layout_of(const conv_case *s, bool is_nchw, ptrdiff_t gap) {
  const ptrdiff_t channels = s->groups * s->channels, plane = s->height * s->width, pixel = channels + gap;
  if (is_nchw) return (image_layout){s->batch * plane * channels, plane * channels, 1, plane};
  return (image_layout){s->batch * plane * pixel - gap, plane * pixel, pixel, 1};
}

/// The image that pixel `output` of the result is made of.
static inline ptrdiff_t image_of(const adze_window2d *w, ptrdiff_t output) {
  return output / w->output_width / w->output_height;
}

/// Which pixel of that image a tap of its window meets; -1 for none.
static inline ptrdiff_t pixel_of(const adze_window2d *w, ptrdiff_t output, ptrdiff_t tap) {
  const ptrdiff_t ox = output % w->output_width, oy = output / w->output_width % w->output_height;
  const ptrdiff_t iy = oy * w->stride_height - w->pad_top + tap / w->kernel_width * w->dilation_height;
  const ptrdiff_t ix = ox * w->stride_width - w->pad_left + tap % w->kernel_width * w->dilation_width;
  return iy < 0 || iy >= w->height || ix < 0 || ix >= w->width ? -1 : iy * w->width + ix;
}
#endif
