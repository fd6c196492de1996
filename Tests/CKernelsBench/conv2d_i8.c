// Convolution layers with 8-bit images and filters on every instruction set: medians of interleaved rounds.
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *x, *y, *weights;
static void *packed, *arranged, *scratch;
static float *scales;
static int32_t *biases;

static adze_conv2d_i8 conv_of(const bench_layer *l) {
  const ptrdiff_t output = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
  return (adze_conv2d_i8){
    .window = {l->channels / l->groups, l->size, l->size, l->kernel, l->kernel, l->stride, l->stride, 1, 1, l->pad, l->pad,
      output, output},
    .batch = l->batch, .groups = l->groups, .filters = l->filters / l->groups, .x = x, .x_zero_point = 117,
    .x_image_stride = l->channels * l->size * l->size, .x_pixel_stride = l->channels, .x_channel_stride = 1,
    .weights_packed = packed, .bias = biases, .output = ADZE_I8_OUTPUT_U8, .y = y, .y_pixel_stride = l->filters,
    .scale = scales, .scale_stride = 1, .y_zero_point = 3};
}

/// Seconds of one call.
static double speed(const adze_kernels *k, const bench_layer *l, long *calls) {
  const adze_conv2d_i8 c = conv_of(l);
  const adze_conv2d_i8_plan plan = adze_conv2d_i8_plan_for(k, &c);
  adze_conv2d_i8_pack(k, &c, &plan, weights, true, arranged, packed);
  plan.run(&c, scratch, 0, plan.lines, 0, plan.panels);
  if (*calls == 0) {
    const double start = bench_now();
    plan.run(&c, scratch, 0, plan.lines, 0, plan.panels);
    *calls = (long)(0.004 / (bench_now() - start + 1e-9)) + 1;
  }
  const double start = bench_now();
  for (long i = 0; i < *calls; i++) plan.run(&c, scratch, 0, plan.lines, 0, plan.panels);
  return (bench_now() - start) / (double)*calls;
}

static void bench_layer_i8(const bench_layer *l, const char *label) {
  double times[ADZE_ISA_COUNT][BENCH_ROUNDS];
  long calls[ADZE_ISA_COUNT] = {0};
  for (int round = 0; round < BENCH_ROUNDS; round++) {
    for (int isa = 0; isa < ADZE_ISA_COUNT; isa++) {
      const adze_kernels *k = adze_kernels_for((adze_isa)isa);
      if (k) times[isa][round] = speed(k, l, &calls[isa]);
    }
  }
  const adze_conv2d_i8 c = conv_of(l);
  const double work = 2.0 * (double)(c.batch * c.window.output_height * c.window.output_width * l->filters
    * c.window.channels * l->kernel * l->kernel);
  printf("%-40s", label);
  for (int isa = 0; isa < ADZE_ISA_COUNT; isa++) {
    if (!calls[isa]) continue;
    const double time = bench_median(times[isa]);
    printf("  %s %6.1f us %6.1f", adze_isa_name((adze_isa)isa), time * 1e6, work / time * 1e-9);
  }
  printf("\n");
  fflush(stdout);
}

void bench_convolutions_i8(const char *wanted) {
  const size_t most = (size_t)10 << 20;
  x = aligned_alloc(64, most), y = aligned_alloc(64, most), weights = aligned_alloc(64, most);
  packed = aligned_alloc(64, most * 2), arranged = aligned_alloc(64, most), scratch = aligned_alloc(64, most);
  scales = aligned_alloc(64, 4096 * 4), biases = aligned_alloc(64, 4096 * 4);
  if (!x || !y || !weights || !packed || !arranged || !scratch || !scales || !biases) abort();
  for (size_t i = 0; i < most; i++) {
    x[i] = (uint8_t)(i * 2654435761u >> 8), y[i] = 0;
    // The sum of four: weights as trained layers have them.
    uint32_t sum = 0, bits = (uint32_t)(i * 2654435761u);
    for (int j = 0; j < 4; j++) sum += bits >> 26, bits = bits * 1664525u + 1013904223u;
    weights[i] = (uint8_t)(sum - 126);
  }
  for (int i = 0; i < 4096; i++) scales[i] = 1e-4f, biases[i] = i;
  for (size_t at = 0; at < bench_layer_count; at++) {
    char label[64];
    snprintf(label, sizeof label, "conv2d_i8 %s", bench_layers[at].name);
    if (strstr(label, wanted)) bench_layer_i8(&bench_layers[at], label);
  }
  free(x), free(y), free(weights), free(packed), free(arranged), free(scratch), free(scales), free(biases);
}
