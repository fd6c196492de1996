// What a convolution needs of its caller: panels, lines, memory; and which algorithm is likely the fastest.
#include "conv2d_scratch.h"

typedef adze_conv2d_algorithm algorithm;

static ptrdiff_t taps(const adze_conv2d_f32 *c) { return times(c->window.kernel_height, c->window.kernel_width); }

static bool can(const adze_conv2d_f32 *c, algorithm a) {
  const adze_window2d *w = &c->window;
  switch (a) {
    case ADZE_CONV2D_AUTO: return false;
    case ADZE_CONV2D_DIRECT: return !c->x_channels || conv2d_is_pointwise(c);
    case ADZE_CONV2D_WINOGRAD:
      return w->kernel_height == 3 && w->kernel_width == 3 && w->stride_height == 1 && w->stride_width == 1
        && w->dilation_height == 1 && w->dilation_width == 1 && c->x_channel_stride == 1;
    case ADZE_CONV2D_DEPTHWISE: return w->channels == 1 && c->filters == 1 && c->x_channel_stride == 1;
  }
  return false;
}

/// By measurement on the layers of Tests/CKernelsBench/conv2d.c.
static algorithm likely_fastest(const adze_conv2d_f32 *c) {
  if (can(c, ADZE_CONV2D_DEPTHWISE) && c->groups > 1) return ADZE_CONV2D_DEPTHWISE;
  if (!can(c, ADZE_CONV2D_WINOGRAD) || c->window.channels < 12 || c->filters < 12) return ADZE_CONV2D_DIRECT;
  // Few tiles do not make up for filters that are four times as large, nor do those that are mostly edge.
  const ptrdiff_t tiles = c->batch * conv2d_tiles(c->window.output_height) * conv2d_tiles(c->window.output_width);
  const ptrdiff_t pixels = c->batch * c->window.output_height * c->window.output_width;
  return tiles >= 12 && 2 * pixels > 16 * tiles ? ADZE_CONV2D_WINOGRAD : ADZE_CONV2D_DIRECT;
}

/// Offsets of the window's taps, and a copy of the input where it is not read in place.
static ptrdiff_t direct_scratch(const adze_conv2d_f32 *c) {
  const ptrdiff_t offsets = plus(times(c->window.channels, taps(c)), 15);
  return conv2d_is_pointwise(c) ? offsets : plus(offsets, conv2d_copy_size(&c->window, c->batch));
}

/// Offsets, 36 planes of transformed inputs, and 36 of the products of a block of filters.
static ptrdiff_t winograd_scratch(const adze_conv2d_f32 *c, ptrdiff_t panel) {
  const ptrdiff_t channels = plus(c->window.channels, 15), tiles = winograd_tiles(c->window.channels);
  const ptrdiff_t columns = least(WINOGRAD_COLUMNS, conv2d_group_panels(c, panel) * panel);
  return plus(times(channels, 1 + 36 * tiles), 36 * (tiles * columns + 2 * WINOGRAD_GAP));
}

static ptrdiff_t scratch_of(const adze_kernels *k, const adze_conv2d_f32 *c, algorithm a) {
  if (a == ADZE_CONV2D_DIRECT) return direct_scratch(c);
  if (a == ADZE_CONV2D_WINOGRAD) return winograd_scratch(c, k->conv2d_f32_panel);
  return 0;
}

adze_conv2d_plan adze_conv2d_f32_plan(const adze_kernels *k, const adze_conv2d_f32 *c, algorithm wanted) {
  const algorithm a = wanted == ADZE_CONV2D_AUTO ? likely_fastest(c) : wanted;
  adze_conv2d_plan plan = {.algorithm = a};
  if (!can(c, a)) return plan;
  const ptrdiff_t panel = k->conv2d_f32_panel, height = c->window.output_height;
  const bool is_depthwise = a == ADZE_CONV2D_DEPTHWISE, is_winograd = a == ADZE_CONV2D_WINOGRAD;
  plan.lines = times(c->batch, is_winograd ? conv2d_tiles(height) : height);
  plan.panels = is_depthwise ? (c->groups + panel - 1) / panel : times(c->groups, conv2d_group_panels(c, panel));
  const ptrdiff_t depth = is_depthwise ? taps(c) : times(c->window.channels, is_winograd ? 36 : taps(c));
  plan.packed_count = times(times(plan.panels, panel), depth);
  plan.scratch_count = scratch_of(k, c, a);
  if (plan.packed_count > PTRDIFF_MAX / 4 || plan.scratch_count > ADZE_CONV2D_MAX_SCRATCH) return plan;
  plan.pack = is_depthwise ? k->pack_conv2d_depthwise_f32 : is_winograd ? k->pack_conv2d_winograd_f32 : k->pack_conv2d_f32;
  plan.run = is_depthwise ? k->conv2d_depthwise_f32 : is_winograd ? k->conv2d_winograd_f32 : k->conv2d_f32;
  return plan;
}
