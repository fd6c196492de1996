#include "conv2d_case.h"

#include <float.h>

// Every algorithm against the sum in double precision; by the same cases.

static const conv_case direct_cases[] = {
  DIRECT_CASES,
  {2, 4, 34, 17, 3, 4, 1, 1, 1, 1, 1, 0, 0}, {1, 2, 9, 40, 8, 9, 1, 1, 2, 2, 1, 0, 0},
  {3, 1, 70, 65, 2, 2, 2, 2, 1, 1, 1, 0, 0}, {1, 1, 2, 3, 3, 230, 1, 1, 1, 1, 1, 0, 0},
  {9, 1, 6, 130, 1, 1, 1, 1, 1, 1, 1, 0, 0},
};
static const conv_case winograd_cases[] = {
  {1, 1, 1, 1, 1, 1, 3, 3, 1, 1, 1, 1, 1},   {1, 1, 3, 5, 4, 4, 3, 3, 1, 1, 1, 1, 1},
  {1, 1, 8, 16, 6, 6, 3, 3, 1, 1, 1, 0, 0},  {2, 1, 16, 33, 9, 7, 3, 3, 1, 1, 1, 1, 1},
  {2, 2, 7, 9, 5, 11, 3, 3, 1, 1, 1, 1, 1},  {1, 1, 17, 150, 8, 13, 3, 3, 1, 1, 1, 2, 2},
  {3, 1, 40, 20, 14, 14, 3, 3, 1, 1, 1, 1, 1}, {1, 1, 300, 31, 7, 7, 3, 3, 1, 1, 1, 1, 1},
  {1, 3, 4, 40, 3, 4, 3, 3, 1, 1, 1, 0, 1},  {1, 1, 2, 3, 50, 47, 3, 3, 1, 1, 1, 1, 0},
};
static const conv_case depthwise_cases[] = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, DEPTHWISE_CASES};

typedef struct {
  adze_conv2d_f32 conv;
  adze_conv2d_plan plan;
  const float *weights;
  ptrdiff_t y_count;
  double *exact, *magnitude;  // of [pixel][filter of all groups], without epilogue
} conv_problem;

static void sum_exactly(conv_problem *p, const float *x) {
  const adze_conv2d_f32 *c = &p->conv;
  const adze_window2d *w = &c->window;
  const ptrdiff_t pixels = c->batch * w->output_height * w->output_width, filters = c->groups * c->filters;
  p->exact = guarded((size_t)(pixels * filters) * 8, 0);
  p->magnitude = guarded((size_t)(pixels * filters) * 8, 0);
  for (ptrdiff_t at = 0; at < pixels * filters; at++) {
    const ptrdiff_t filter = at % filters, group = filter / c->filters, pixel = at / filters;
    const float *image = x + image_of(w, pixel) * c->x_image_stride;
    for (ptrdiff_t tap = 0; tap < w->kernel_height * w->kernel_width; tap++) {
      const ptrdiff_t place = pixel_of(w, pixel, tap);
      if (place < 0) continue;
      for (ptrdiff_t i = 0; i < w->channels; i++) {
        const float weight = p->weights[(filter * w->channels + i) * w->kernel_height * w->kernel_width + tap];
        const ptrdiff_t channel = group * w->channels + i;
        const double term = (double)weight * image[place * c->x_pixel_stride + channel * c->x_channel_stride];
        p->exact[at] += term;
        p->magnitude[at] += fabs(term);
      }
    }
  }
}

static conv_problem conv_problem_of(checker *c, const conv_case *s, adze_conv2d_algorithm algorithm, bool is_nchw) {
  const ptrdiff_t filters = s->groups * s->filters;
  const image_layout x = layout_of(s, is_nchw, 3);
  conv_problem p = {.conv = {
    .window = window_of(s), .batch = s->batch, .groups = s->groups, .filters = s->filters,
    .x = random_floats(x.count, -1, 1), .x_image_stride = x.image_stride, .x_pixel_stride = x.pixel_stride,
    .x_channel_stride = x.channel_stride, .y_pixel_stride = filters + 2}};
  p.weights = random_floats(filters * s->channels * s->kernel_height * s->kernel_width, -1, 1);
  p.plan = adze_conv2d_f32_plan(c->kernels, &p.conv, algorithm);
  expect(c, p.plan.run && p.plan.pack && p.plan.algorithm == algorithm, "no plan");
  float *packed = guarded((size_t)p.plan.packed_count * 4, 0xff);
  for (ptrdiff_t panel = 0; panel < p.plan.panels; panel++) p.plan.pack(&p.conv, p.weights, packed, panel, panel + 1);
  p.conv.weights_packed = packed;
  p.y_count = s->batch * p.conv.window.output_height * p.conv.window.output_width * p.conv.y_pixel_stride - 2;
  p.conv.y = guarded((size_t)p.y_count * 4, 0xff);
  sum_exactly(&p, p.conv.x);
  return p;
}

/// Runs it in pieces of so many lines and panels.
static void run_split(const conv_problem *p, ptrdiff_t lines, ptrdiff_t panels) {
  const adze_conv2d_plan *plan = &p->plan;
  float *scratch = guarded((size_t)plan->scratch_count * 4, 0xff);
  for (ptrdiff_t line = 0; line < plan->lines; line += lines) {
    for (ptrdiff_t panel = 0; panel < plan->panels; panel += panels) {
      const ptrdiff_t line_end = line + lines < plan->lines ? line + lines : plan->lines;
      const ptrdiff_t panel_end = panel + panels < plan->panels ? panel + panels : plan->panels;
      plan->run(&p->conv, scratch, line, line_end, panel, panel_end);
    }
  }
}

/// Direct sums are bound as any sum of so many terms; `factor` is what the transforms of Winograd add to that.
static void check_sums(checker *c, const conv_problem *p, double factor, int at) {
  const ptrdiff_t filters = p->conv.groups * p->conv.filters, stride = p->conv.y_pixel_stride;
  const adze_window2d *w = &p->conv.window;
  const double rounding = (double)(w->channels * w->kernel_height * w->kernel_width + 1) * FLT_EPSILON / 2;
  for (ptrdiff_t i = 0; i < p->y_count; i++) {
    const ptrdiff_t pixel = i / stride, filter = i % stride;
    const uint32_t untouched = UINT32_MAX;
    if (filter >= filters) {
      expect(c, same_bits(&p->conv.y[i], &untouched, 4), "case %d wrote beside pixel %td", at, pixel);
      continue;
    }
    const double exact = p->exact[pixel * filters + filter];
    const double bound = factor > 0 ? factor : rounding * p->magnitude[pixel * filters + filter] + 1e-37;
    const double error = fabs(p->conv.y[i] - exact);
    expect(c, error <= bound, "case %d pixel %td filter %td: %.9g, not %.9g", at, pixel, filter, p->conv.y[i], exact);
  }
}

static void check_conv_splits(checker *c, conv_problem *p, int at) {
  const size_t bytes = (size_t)p->y_count * 4;
  float *whole = p->conv.y;
  p->conv.y = guarded(bytes, 0xff);
  for (ptrdiff_t lines = 1; lines <= 3; lines += 2) {
    for (ptrdiff_t panels = 1; panels <= 3; panels++) {
      memset(p->conv.y, 0xff, bytes);
      run_split(p, lines, panels);
      expect(c, same_bits(p->conv.y, whole, bytes), "case %d differs split by %td lines, %td panels", at, lines, panels);
    }
  }
  p->conv.y = whole;
}

static void check_conv_epilogues(checker *c, conv_problem *p, int at) {
  adze_conv2d_f32 *conv = &p->conv;
  const ptrdiff_t filters = conv->groups * conv->filters;
  const float *plain = conv->y;
  const float *bias = random_floats(filters, -1, 1), *residual = random_floats(p->y_count + 1, -1, 1);
  conv->y = guarded((size_t)p->y_count * 4, 0xff);
  conv->residual_pixel_stride = conv->y_pixel_stride;
  for (int form = 1; form < 16; form++) {
    conv->epilogue = (adze_epilogue_f32){.column_bias = form & 1 ? bias : NULL, .clamps = form & 4, .minimum = -0.5f,
      .maximum = 0.75f, .activation = form & 8 ? c->kernels->leaky_relu_f32 : NULL, .alpha = 0.1f};
    conv->residual = form & 2 ? residual : NULL;
    run_split(p, p->plan.lines, p->plan.panels);
    for (ptrdiff_t i = 0; i < p->y_count; i++) {
      const ptrdiff_t filter = i % conv->y_pixel_stride;
      if (filter >= filters) continue;
      float wanted = plain[i];
      if (form & 1) wanted += bias[filter];
      if (form & 2) wanted += residual[i];
      if (form & 4) wanted = wanted < -0.5f ? -0.5f : wanted > 0.75f ? 0.75f : wanted;
      if (form & 8) conv->epilogue.activation(&wanted, &wanted, 1, 0.1f, 0);
      expect(c, conv->y[i] == wanted, "case %d epilogue %d: %.9g, not %.9g", at, form, conv->y[i], wanted);
    }
  }
}

static void check_conv_case(checker *c, const conv_case *s, adze_conv2d_algorithm algorithm, bool is_nchw, int at) {
  if (!takes_turn()) return;
  conv_problem p = conv_problem_of(c, s, algorithm, is_nchw);
  run_split(&p, p.plan.lines, p.plan.panels);
  // Against the largest magnitude: the transforms mix the values of a tile.
  double largest = 0;
  const ptrdiff_t count = p.y_count / p.conv.y_pixel_stride * s->groups * s->filters;
  for (ptrdiff_t i = 0; i < count; i++) largest = fmax(largest, p.magnitude[i]);
  check_sums(c, &p, algorithm == ADZE_CONV2D_WINOGRAD ? 1e-6 * largest : 0, at);
  check_conv_splits(c, &p, at);
  check_conv_epilogues(c, &p, at);
  release_all();
}

/// Channels in any order give what the same channels in order give.
static void check_shuffled(checker *c, const conv_case *s, int at) {
  conv_problem p = conv_problem_of(c, s, ADZE_CONV2D_DIRECT, false);
  run_split(&p, p.plan.lines, p.plan.panels);
  const ptrdiff_t channels = s->groups * s->channels, pixels = s->batch * s->height * s->width;
  const float *ordered = p.conv.x, *whole = p.conv.y;
  int32_t *places = guarded((size_t)channels * 4, 0);
  float *x = guarded((size_t)(pixels * channels) * 4, 0);
  for (ptrdiff_t i = 0; i < channels; i++) {
    places[i] = (int32_t)(i % s->groups * s->channels + i / s->groups);
    for (ptrdiff_t pixel = 0; pixel < pixels; pixel++) {
      x[pixel * channels + places[i]] = ordered[pixel * p.conv.x_pixel_stride + i];
    }
  }
  p.conv.x = x, p.conv.x_pixel_stride = channels, p.conv.x_image_stride = s->height * s->width * channels;
  p.conv.x_channels = places;
  p.plan = adze_conv2d_f32_plan(c->kernels, &p.conv, ADZE_CONV2D_DIRECT);
  p.conv.y = guarded((size_t)p.y_count * 4, 0xff);
  run_split(&p, 1, 2);
  expect(c, same_bits(p.conv.y, whole, (size_t)p.y_count * 4), "case %d differs shuffled", at);
  release_all();
}

#define CHECK_CASES(cases, algorithm)                                                    \
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {                            \
    check_conv_case(c, &cases[i], algorithm, false, (int)i);                             \
  }

void check_conv2d_f32(checker *c) {
  CHECK_CASES(direct_cases, ADZE_CONV2D_DIRECT)
  CHECK_CASES(winograd_cases, ADZE_CONV2D_DIRECT)
  CHECK_CASES(depthwise_cases, ADZE_CONV2D_DIRECT)
  for (size_t i = 0; i < sizeof direct_cases / sizeof *direct_cases; i++) {
    check_conv_case(c, &direct_cases[i], ADZE_CONV2D_DIRECT, true, (int)i);
    const conv_case *s = &direct_cases[i];
    if (s->kernel_height * s->kernel_width == 1 && s->pad_top + s->pad_left == 0) check_shuffled(c, s, (int)i);
  }
}
void check_conv2d_winograd_f32(checker *c) { CHECK_CASES(winograd_cases, ADZE_CONV2D_WINOGRAD) }
void check_conv2d_depthwise_f32(checker *c) { CHECK_CASES(depthwise_cases, ADZE_CONV2D_DEPTHWISE) }

/// A weight's place: packed filters hold the values of the given ones, and zeros where a panel has no filter.
static void check_pack(checker *c, adze_conv2d_algorithm algorithm, ptrdiff_t groups, ptrdiff_t channels, ptrdiff_t filters) {
  const conv_case s = {1, groups, channels, filters, 8, 8, 3, 3, 1, 1, 1, 1, 1};
  const conv_problem p = conv_problem_of(c, &s, algorithm, false);
  double sum = 0, wanted = 0;
  // The tap in the middle of the matrix G g Gᵀ of the point at infinity is g's last; sums suit the other two.
  const ptrdiff_t count = groups * filters * channels * 9, last = p.plan.packed_count / 36 * 35;
  for (ptrdiff_t i = algorithm == ADZE_CONV2D_WINOGRAD ? last : 0; i < p.plan.packed_count; i++) sum += p.conv.weights_packed[i];
  for (ptrdiff_t i = algorithm == ADZE_CONV2D_WINOGRAD ? 8 : 0; i < count; i += algorithm == ADZE_CONV2D_WINOGRAD ? 9 : 1) {
    wanted += p.weights[i];
  }
  expect(c, fabs(sum - wanted) <= 1e-9 * (double)count, "%td x %td x %td: sum %.9g, not %.9g", groups, channels, filters, sum, wanted);
  release_all();
}
void check_pack_conv2d_f32(checker *c) {
  FOR_SIZES(filters) if (filters > 0) check_pack(c, ADZE_CONV2D_DIRECT, 2, 3, filters);
}
void check_pack_conv2d_winograd_f32(checker *c) {
  FOR_SIZES(filters) if (filters > 0) check_pack(c, ADZE_CONV2D_WINOGRAD, 2, 3, filters);
}
void check_pack_conv2d_depthwise_f32(checker *c) {
  FOR_SIZES(channels) if (channels > 0) check_pack(c, ADZE_CONV2D_DEPTHWISE, channels, 1, 1);
}
