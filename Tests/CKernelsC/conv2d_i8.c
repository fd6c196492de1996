#include "conv2d_case.h"

// Against the sum in 64 bits, reduced modulo 2^32, and C's float arithmetic after it: everything is equal.

static const conv_case direct_cases[] = {
  DIRECT_CASES,
  {2, 4, 36, 17, 3, 4, 1, 1, 1, 1, 1, 0, 0},  {1, 2, 12, 40, 8, 9, 1, 1, 2, 2, 1, 0, 0},
  {3, 1, 72, 65, 2, 2, 2, 2, 1, 1, 1, 0, 0},  {1, 1, 4, 3, 3, 230, 1, 1, 1, 1, 1, 0, 0},
  {9, 1, 8, 130, 1, 1, 1, 1, 1, 1, 1, 0, 0},  {1, 1, 64, 300, 1, 2, 1, 1, 1, 1, 1, 0, 0},
  {1, 1, 516, 70, 3, 7, 1, 1, 1, 1, 1, 0, 0},
};
static const conv_case depthwise_cases[] = {
  DEPTHWISE_CASES,
  {1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},   {1, 64, 1, 1, 6, 20, 3, 3, 1, 1, 1, 0, 0},
  {1, 32, 1, 1, 5, 21, 3, 3, 1, 1, 1, 1, 1}, {1, 16, 1, 1, 4, 13, 5, 5, 1, 1, 1, 2, 2},
  {1, 8, 1, 1, 5, 12, 3, 3, 1, 1, 1, 1, 1},  {1, 144, 1, 1, 5, 14, 3, 3, 1, 1, 1, 1, 1},
  {1, 100, 1, 1, 5, 15, 5, 5, 2, 2, 1, 2, 2}, {1, 130, 1, 1, 4, 11, 3, 3, 2, 2, 1, 1, 1},
};

typedef struct {
  adze_conv2d_i8 conv;
  adze_conv2d_i8_plan plan;
  int32_t *exact;  // of [pixel][filter of all groups], without bias
  ptrdiff_t pixels, filters;
} conv_problem;

// IS_DENSE: pixels lie next to each other.
enum { X_SIGNED = 1, W_SIGNED = 2, IS_NCHW = 4, IS_DENSE = 8 };

static int32_t value(const uint8_t *x, ptrdiff_t at, bool is_signed) { return is_signed ? (int8_t)x[at] : x[at]; }

static void sum_exactly(conv_problem *p, const uint8_t *weights, bool w_signed) {
  const adze_conv2d_i8 *c = &p->conv;
  const adze_window2d *w = &c->window;
  const ptrdiff_t taps = w->kernel_height * w->kernel_width;
  p->exact = guarded((size_t)(p->pixels * p->filters) * 4, 0);
  for (ptrdiff_t at = 0; at < p->pixels * p->filters; at++) {
    const ptrdiff_t filter = at % p->filters, group = filter / c->filters, pixel = at / p->filters;
    const uint8_t *image = (const uint8_t *)c->x + image_of(w, pixel) * c->x_image_stride;
    int64_t sum = 0;
    for (ptrdiff_t tap = 0; tap < taps; tap++) {
      const ptrdiff_t place = pixel_of(w, pixel, tap);
      if (place < 0) continue;
      for (ptrdiff_t i = 0; i < w->channels; i++) {
        const int32_t weight = value(weights, (filter * w->channels + i) * taps + tap, w_signed) - (w_signed ? 0 : 128);
        const ptrdiff_t element = place * c->x_pixel_stride + (group * w->channels + i) * c->x_channel_stride;
        sum += weight * (value(image, element, c->x_signed) - c->x_zero_point);
      }
    }
    p->exact[at] = (int32_t)(uint32_t)sum;
  }
}

static conv_problem conv_problem_of(checker *c, const conv_case *s, adze_conv2d_algorithm algorithm, int form) {
  const ptrdiff_t gap = form & IS_DENSE ? 0 : 3;
  const image_layout x = layout_of(s, form & IS_NCHW, gap);
  conv_problem p = {.filters = s->groups * s->filters, .conv = {
    .window = window_of(s), .batch = s->batch, .groups = s->groups, .filters = s->filters, .x_signed = form & X_SIGNED,
    .x_zero_point = form & X_SIGNED ? -9 : 117, .x = random_bytes(x.count), .x_image_stride = x.image_stride,
    .x_pixel_stride = x.pixel_stride, .x_channel_stride = x.channel_stride,
    .y_pixel_stride = s->groups * s->filters + (gap ? 2 : 0)}};
  p.pixels = s->batch * p.conv.window.output_height * p.conv.window.output_width;
  const uint8_t *weights = random_bytes(p.filters * s->channels * s->kernel_height * s->kernel_width);
  p.plan = adze_conv2d_i8_plan_for(c->kernels, &p.conv);
  expect(c, p.plan.run && p.plan.algorithm == algorithm, "no plan");
  void *packed = guarded((size_t)p.plan.packed_bytes, 0xff), *arranged = guarded((size_t)p.plan.arranged_bytes, 0xff);
  adze_conv2d_i8_pack(c->kernels, &p.conv, &p.plan, weights, form & W_SIGNED, arranged, packed);
  p.conv.weights_packed = packed;
  sum_exactly(&p, weights, form & W_SIGNED);
  return p;
}

/// Runs it in pieces of so many lines and panels.
static void run_split(const conv_problem *p, ptrdiff_t lines, ptrdiff_t panels) {
  const adze_conv2d_i8_plan *plan = &p->plan;
  void *scratch = guarded((size_t)plan->scratch_bytes / 4 * 4, 0xff);
  for (ptrdiff_t line = 0; line < plan->lines; line += lines) {
    for (ptrdiff_t panel = 0; panel < plan->panels; panel += panels) {
      const ptrdiff_t line_end = line + lines < plan->lines ? line + lines : plan->lines;
      const ptrdiff_t panel_end = panel + panels < plan->panels ? panel + panels : plan->panels;
      plan->run(&p->conv, scratch, line, line_end, panel, panel_end);
    }
  }
}

/// What the float arithmetic, one rounding an operation, makes of a sum.
static float scaled(const adze_conv2d_i8 *c, int32_t sum, ptrdiff_t filter) {
  const adze_epilogue_f32 *e = &c->epilogue;
  volatile float x = (float)sum * (c->scale ? c->scale[filter * c->scale_stride] : 1);
  if (e->column_bias) x = x + e->column_bias[filter];
  if (e->clamps) x = x < e->minimum ? e->minimum : x > e->maximum ? e->maximum : x;
  return x;
}

static void check_element(checker *c, const conv_problem *p, ptrdiff_t at, int at_case, int form) {
  const adze_conv2d_i8 *conv = &p->conv;
  const ptrdiff_t filter = at % p->filters, element = at / p->filters * conv->y_pixel_stride + filter;
  const int32_t sum = (int32_t)((uint32_t)p->exact[at] + (uint32_t)(conv->bias ? conv->bias[filter] : 0));
  if (conv->output == ADZE_I8_OUTPUT_I32) {
    const int32_t got = ((int32_t *)conv->y)[element];
    expect(c, got == sum, "case %d form %d [%td]: %d, not %d", at_case, form, at, got, sum);
    return;
  }
  float wanted = scaled(conv, sum, filter);
  if (conv->output == ADZE_I8_OUTPUT_F32) {
    const float got = ((float *)conv->y)[element];
    if (conv->epilogue.activation) conv->epilogue.activation(&wanted, &wanted, 1, conv->epilogue.alpha, 0);
    expect(c, got == wanted, "case %d form %d [%td]: %.9g, not %.9g", at_case, form, at, got, wanted);
    return;
  }
  const bool is_signed = conv->output == ADZE_I8_OUTPUT_S8;
  const double q = rint((double)wanted) + conv->y_zero_point, low = is_signed ? -128 : 0;
  const int32_t exact = (int32_t)(q < low ? low : q > low + 255 ? low + 255 : q);
  const int32_t got = value(conv->y, element, is_signed);
  expect(c, got == exact, "case %d form %d [%td]: quantized %d, not %d", at_case, form, at, got, exact);
}

static void check_outputs(checker *c, conv_problem *p, adze_i8_output output, int at, int form) {
  adze_conv2d_i8 *conv = &p->conv;
  const ptrdiff_t size = output == ADZE_I8_OUTPUT_I32 || output == ADZE_I8_OUTPUT_F32 ? 4 : 1, stride = conv->y_pixel_stride;
  const size_t bytes = (size_t)((p->pixels * stride - (stride - p->filters)) * size);
  uint8_t *whole = guarded(bytes, 0x55), *split = guarded(bytes, 0x55);
  int32_t *bias = guarded((size_t)p->filters * 4, 0);
  for (ptrdiff_t i = 0; i < p->filters; i++) bias[i] = (int32_t)(random_bits() >> 8) % 20001 - 10000;
  conv->output = output;
  conv->bias = form & 1 ? bias : NULL;
  conv->scale = form & 2 ? random_floats(p->filters, 1e-4f, 1e-2f) : NULL;
  conv->scale_stride = form & 4 ? 1 : 0;
  conv->epilogue = (adze_epilogue_f32){
    .column_bias = form & 8 ? random_floats(p->filters, -10, 10) : NULL, .clamps = form & 16, .minimum = -7, .maximum = 40,
    .activation = form & 32 ? c->kernels->leaky_relu_f32 : NULL, .alpha = 0.25f};
  conv->y_zero_point = output == ADZE_I8_OUTPUT_S8 ? -3 : 117;
  conv->y = whole;
  run_split(p, p->plan.lines, p->plan.panels);
  for (ptrdiff_t i = 0; i < p->pixels * p->filters; i++) check_element(c, p, i, at, form);
  for (ptrdiff_t pixel = 0; pixel < p->pixels - 1; pixel++) {
    for (ptrdiff_t i = p->filters * size; i < stride * size; i++) {
      expect(c, whole[pixel * stride * size + i] == 0x55, "case %d wrote beside pixel %td", at, pixel);
    }
  }
  conv->y = split;
  run_split(p, 1 + form % 3, 1 + form % 2);
  expect(c, same_bits(whole, split, bytes), "case %d form %d differs when split", at, form);
}

static void check_cases(checker *c, const conv_case *cases, size_t count, adze_conv2d_algorithm algorithm, const int *forms) {
  for (size_t i = 0; i < count; i++) {
    for (const int *each = forms; *each >= 0; each++) {
      const int form = *each;
      conv_problem p = conv_problem_of(c, &cases[i], algorithm, form);
      const int epilogue = (int)i * 7 + form * 11;
      check_outputs(c, &p, ADZE_I8_OUTPUT_I32, (int)i, epilogue & 1);
      check_outputs(c, &p, ADZE_I8_OUTPUT_F32, (int)i, epilogue);
      check_outputs(c, &p, ADZE_I8_OUTPUT_U8, (int)i, epilogue + 5);
      check_outputs(c, &p, ADZE_I8_OUTPUT_S8, (int)i, epilogue + 9);
      release_all();
    }
  }
}

#define COUNT(cases) (sizeof cases / sizeof *cases)

void check_conv2d_i8(checker *c) {
  const int forms[] = {0, 1, 2, 3, 4, 5, 6, 7, IS_DENSE | W_SIGNED, -1};
  check_cases(c, direct_cases, COUNT(direct_cases), ADZE_CONV2D_DIRECT, forms);
}
void check_conv2d_depthwise_i8(checker *c) {
  const int forms[] = {0, 1, 2, 3, IS_DENSE | W_SIGNED, IS_DENSE | X_SIGNED | W_SIGNED, -1};
  check_cases(c, depthwise_cases, COUNT(depthwise_cases), ADZE_CONV2D_DEPTHWISE, forms);
}

void check_pack_conv2d_depthwise_i8(checker *c) {
  // The layout is the kernel's own; what must hold is that packing in pieces is packing at once.
  const ptrdiff_t groups = 3 * c->kernels->gemm_i8_panel + 1;
  const adze_conv2d_i8 conv = {
    .window = {1, 9, 9, 5, 3, 1, 1, 1, 1, 1, 1, 7, 9}, .batch = 1, .groups = groups, .filters = 1, .x_channel_stride = 1};
  const adze_conv2d_i8_plan plan = adze_conv2d_i8_plan_for(c->kernels, &conv);
  const uint8_t *weights = random_bytes(groups * 15);
  for (int form = 0; form < 2; form++) {
    void *whole = guarded((size_t)plan.packed_bytes, 0xff), *pieces = guarded((size_t)plan.packed_bytes, 0x11);
    c->kernels->pack_conv2d_depthwise_i8(&conv, weights, form, whole, 0, plan.panels);
    for (ptrdiff_t panel = 0; panel < plan.panels; panel++) {
      c->kernels->pack_conv2d_depthwise_i8(&conv, weights, form, pieces, panel, panel + 1);
    }
    expect(c, same_bits(whole, pieces, (size_t)plan.packed_bytes), "packed pieces differ from the whole");
  }
}
