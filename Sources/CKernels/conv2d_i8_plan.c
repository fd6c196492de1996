// What an 8-bit convolution needs of its caller, and its filters in the order of the kernels.
#include "conv2d_scratch.h"

/// Offsets, rows of windows, and a copy of the input.
static ptrdiff_t direct_scratch(const adze_conv2d_i8 *c, ptrdiff_t depth) {
  const ptrdiff_t copy = plus(conv2d_copy_size(&c->window, c->batch), CONV_I8_SLACK);
  return plus(plus(times(depth, 1 + CONV_I8_ROWS), 64), copy);
}

/// Panels of one group's filters.
static ptrdiff_t group_panels(const adze_kernels *k, const adze_conv2d_i8 *c) {
  return (c->filters + k->gemm_i8_panel - 1) / k->gemm_i8_panel;
}

adze_conv2d_i8_plan adze_conv2d_i8_plan_for(const adze_kernels *k, const adze_conv2d_i8 *c) {
  const adze_window2d *w = &c->window;
  adze_conv2d_i8_plan plan = {.algorithm = ADZE_CONV2D_DIRECT, .lines = times(c->batch, w->output_height)};
  if (w->channels == 1 && c->filters == 1 && c->groups > 1 && c->x_channel_stride == 1
      && w->kernel_height <= DEPTHWISE_I8_ROWS) {
    plan.algorithm = ADZE_CONV2D_DEPTHWISE;
    plan.panels = (c->groups + k->gemm_i8_panel - 1) / k->gemm_i8_panel;
    const ptrdiff_t words = plus(1, times(depthwise_i8_quads(w), w->kernel_width));
    plan.packed_bytes = times(times(plan.panels, k->gemm_i8_panel), times(4, words));
    // Padding, and for blocks of two panels their taps, sums, scales and biases in another order.
    const ptrdiff_t arranged = times(times(plan.panels + 1, k->gemm_i8_panel), times(4, plus(words, 2)));
    plan.scratch_bytes = plus(plus(c->groups, 128), arranged);
  } else {
    const conv2d_i8_runs runs = conv2d_i8_runs_of(w);
    const ptrdiff_t depth = times(runs.count, runs.filled);
    plan.panels = times(c->groups, group_panels(k, c));
    plan.arranged_bytes = times(times(c->groups, c->filters), depth);
    plan.scratch_bytes = direct_scratch(c, depth);
    if (plan.arranged_bytes > PTRDIFF_MAX / 4096 || depth > INT32_MAX / 4096) return plan;
    plan.packed_bytes = times(c->groups, adze_gemm_i8_packed_bytes(k, depth, c->filters));
  }
  if (plan.packed_bytes > PTRDIFF_MAX / 4 || plan.scratch_bytes > ADZE_CONV2D_MAX_SCRATCH) return plan;
  plan.run = plan.algorithm == ADZE_CONV2D_DEPTHWISE ? k->conv2d_depthwise_i8 : k->conv2d_i8;
  return plan;
}

/// One filter as runs of its window: [run][filled] bytes, channels innermost.
static void arrange_filter(
  const adze_window2d *w, const uint8_t *filter, uint8_t zero, uint8_t *to) {
  const conv2d_i8_runs runs = conv2d_i8_runs_of(w);
  const ptrdiff_t taps = w->kernel_height * w->kernel_width;
  memset(to, zero, (size_t)(runs.count * runs.filled));
  for (ptrdiff_t tap = 0; tap < taps; tap++) {
    for (ptrdiff_t channel = 0; channel < w->channels; channel++) {
      const ptrdiff_t element = tap * w->channels + channel;
      to[element / runs.bytes * runs.filled + element % runs.bytes] = filter[channel * taps + tap];
    }
  }
}

void adze_conv2d_i8_pack(
  const adze_kernels *k, const adze_conv2d_i8 *c, const adze_conv2d_i8_plan *plan, const void *weights,
  bool weights_signed, void *arranged, void *packed) {
  if (plan->algorithm == ADZE_CONV2D_DEPTHWISE) {
    k->pack_conv2d_depthwise_i8(c, weights, weights_signed, packed, 0, plan->panels);
    return;
  }
  const adze_window2d *w = &c->window;
  const conv2d_i8_runs runs = conv2d_i8_runs_of(w);
  const ptrdiff_t depth = runs.count * runs.filled, size = w->channels * w->kernel_height * w->kernel_width;
  uint8_t *to = arranged;
  for (ptrdiff_t filter = 0; filter < c->groups * c->filters; filter++) {
    arrange_filter(w, (const uint8_t *)weights + filter * size, weights_signed ? 0 : 0x80, to + filter * depth);
  }
  const ptrdiff_t bytes = adze_gemm_i8_packed_bytes(k, depth, c->filters);
  for (ptrdiff_t group = 0; group < c->groups; group++) {
    k->pack_b_i8(
      to + group * c->filters * depth, weights_signed, 1, depth, depth, c->filters, (char *)packed + group * bytes, 0,
      group_panels(k, c));
  }
}
