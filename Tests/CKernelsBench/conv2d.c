// Convolution layers of well-known networks: every algorithm on every instruction set, medians of interleaved rounds.
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bench_layer layer;

const bench_layer bench_layers[] = {
  {"resnet 7x7s2 3>64 224", 1, 3, 224, 64, 7, 2, 3, 1},
  {"resnet 1x1 64>64 56", 1, 64, 56, 64, 1, 1, 0, 1},
  {"resnet 1x1 64>256 56", 1, 64, 56, 256, 1, 1, 0, 1},
  {"resnet 1x1 256>64 56", 1, 256, 56, 64, 1, 1, 0, 1},
  {"resnet 1x1s2 256>512 56", 1, 256, 56, 512, 1, 2, 0, 1},
  {"resnet 1x1 512>128 28", 1, 512, 28, 128, 1, 1, 0, 1},
  {"resnet 1x1 256>1024 14", 1, 256, 14, 1024, 1, 1, 0, 1},
  {"resnet 1x1 2048>512 7", 1, 2048, 7, 512, 1, 1, 0, 1},
  {"resnet 3x3 64 56", 1, 64, 56, 64, 3, 1, 1, 1},
  {"resnet 3x3 128 28", 1, 128, 28, 128, 3, 1, 1, 1},
  {"resnet 3x3 256 14", 1, 256, 14, 256, 3, 1, 1, 1},
  {"resnet 3x3 512 7", 1, 512, 7, 512, 3, 1, 1, 1},
  {"resnet 3x3s2 128 56", 1, 128, 56, 128, 3, 2, 1, 1},
  {"resnet 3x3 256 14 b8", 8, 256, 14, 256, 3, 1, 1, 1},
  {"resnet 3x3 512 7 b8", 8, 512, 7, 512, 3, 1, 1, 1},
  {"squeezenet 3x3s2 3>64 224", 1, 3, 224, 64, 3, 2, 0, 1},
  {"squeezenet 3x3 16>64 55", 1, 16, 55, 64, 3, 1, 1, 1},
  {"squeezenet 1x1 128>16 55", 1, 128, 55, 16, 1, 1, 0, 1},
  {"mobilenet 3x3s2 3>32 224", 1, 3, 224, 32, 3, 2, 1, 1},
  {"mobilenet 1x1 16>96 112", 1, 16, 112, 96, 1, 1, 0, 1},
  {"mobilenet 1x1 144>24 56", 1, 144, 56, 24, 1, 1, 0, 1},
  {"mobilenet 1x1 64>384 14", 1, 64, 14, 384, 1, 1, 0, 1},
  {"mobilenet 1x1 160>960 7", 1, 160, 7, 960, 1, 1, 0, 1},
  {"mobilenet dw3x3 32 112", 1, 32, 112, 32, 3, 1, 1, 32},
  {"mobilenet dw3x3s2 96 112", 1, 96, 112, 96, 3, 2, 1, 96},
  {"mobilenet dw3x3 144 56", 1, 144, 56, 144, 3, 1, 1, 144},
  {"mobilenet dw3x3 384 14", 1, 384, 14, 384, 3, 1, 1, 384},
  {"mobilenet dw3x3 960 7", 1, 960, 7, 960, 3, 1, 1, 960},
  {"inception 5x5 16>32 28", 1, 16, 28, 32, 5, 1, 2, 1},
  {"inception 3x3 96>128 28", 1, 96, 28, 128, 3, 1, 1, 1},
  {"densenet 3x3 128>32 28", 1, 128, 28, 32, 3, 1, 1, 1},
  {"shufflenet g4 1x1 272>68 28", 1, 272, 28, 68, 1, 1, 0, 4},
  {"shufflenet g4 1x1 68>272 28", 1, 68, 28, 272, 1, 1, 0, 4},
  {"digits 3x3 1>8 8 b32", 32, 1, 8, 8, 3, 1, 1, 1},
  {"digits 3x3 8>16 8 b32", 32, 8, 8, 16, 3, 1, 1, 1},
  {"digits 3x3 8>16 8 b1", 1, 8, 8, 16, 3, 1, 1, 1},
};

const size_t bench_layer_count = sizeof bench_layers / sizeof *bench_layers;

static float *x, *y, *weights, *packed, *scratch;

static adze_conv2d_f32 conv_of(const layer *l) {
  const ptrdiff_t output = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
  adze_conv2d_f32 c = {
    .window = {l->channels / l->groups, l->size, l->size, l->kernel, l->kernel, l->stride, l->stride, 1, 1, l->pad, l->pad,
      output, output},
    .batch = l->batch, .groups = l->groups, .filters = l->filters / l->groups, .x = x,
    .x_image_stride = l->channels * l->size * l->size, .x_pixel_stride = l->channels, .x_channel_stride = 1,
    .weights_packed = packed, .y = y, .y_pixel_stride = l->filters,
    .epilogue = {.column_bias = weights, .clamps = true, .minimum = 0, .maximum = INFINITY}};
  // The first layer of a network gets its image as it came.
  if (l->channels == 3) c.x_pixel_stride = 1, c.x_channel_stride = l->size * l->size;
  return c;
}

/// The way without NHWC: patches packed as B, filters as A.
static void im2col(const adze_kernels *k, const layer *l) {
  const adze_conv2d_f32 c = conv_of(l);
  const adze_window2d *w = &c.window;
  const ptrdiff_t pixels = w->output_height * w->output_width, panels = (pixels - 1) / k->gemm_f32_panel + 1;
  const ptrdiff_t depth = w->channels * w->kernel_height * w->kernel_width;
  const ptrdiff_t fitting = (256 << 10) / (4 * k->gemm_f32_panel * depth), step = fitting < 1 ? 1 : fitting;
  for (ptrdiff_t i = 0; i < c.batch * c.groups; i++) {
    const ptrdiff_t group = i % c.groups;
    const float *image = x + i * w->channels * w->height * w->width;
    adze_gemm_f32 g = {.m = c.filters, .n = pixels, .k = depth, .a = weights + group * c.filters * depth,
      .a_row_stride = depth, .a_column_stride = 1, .c = y + i * c.filters * pixels, .c_row_stride = pixels,
      .epilogue = {.row_bias = weights, .clamps = true, .maximum = INFINITY}};
    for (ptrdiff_t panel = 0; panel < panels; panel += step) {
      const ptrdiff_t end = panel + step < panels ? panel + step : panels;
      float *to = scratch - panel * k->gemm_f32_panel * depth;
      g.b_packed = to;
      if (l->kernel == 1 && l->stride == 1) k->pack_b_f32(image, pixels, 1, depth, pixels, to, panel, end);
      else k->im2col_pack_b_f32(w, image, to, panel, end);
      k->gemm_f32(&g, 0, c.filters, panel, end);
    }
  }
}

typedef struct {
  const char *name;
  adze_conv2d_algorithm algorithm;  // AUTO: the way through im2col
} method;
static const method methods[] = {{"im2col", ADZE_CONV2D_AUTO}, {"direct", ADZE_CONV2D_DIRECT},
  {"winograd", ADZE_CONV2D_WINOGRAD}, {"depthwise", ADZE_CONV2D_DEPTHWISE}};
enum { METHODS = sizeof methods / sizeof *methods };

static void run(const adze_conv2d_plan *plan, const adze_conv2d_f32 *c, const adze_kernels *k, const layer *l) {
  if (plan->run) plan->run(c, scratch, 0, plan->lines, 0, plan->panels);
  else im2col(k, l);
}

/// Seconds of one call; 0 where the method does not take the layer.
static double speed(const method *m, const adze_kernels *k, const layer *l, long *calls) {
  const adze_conv2d_f32 c = conv_of(l);
  adze_conv2d_plan plan = {.run = NULL};
  if (m->algorithm != ADZE_CONV2D_AUTO) {
    plan = adze_conv2d_f32_plan(k, &c, m->algorithm);
    if (!plan.run) return 0;
    plan.pack(&c, weights, packed, 0, plan.panels);
  }
  run(&plan, &c, k, l);
  if (*calls == 0) {
    const double start = bench_now();
    run(&plan, &c, k, l);
    *calls = (long)(0.004 / (bench_now() - start + 1e-9)) + 1;
  }
  const double start = bench_now();
  for (long i = 0; i < *calls; i++) run(&plan, &c, k, l);
  return (bench_now() - start) / (double)*calls;
}

void bench_convolutions(const char *wanted) {
  const size_t most = (size_t)10 << 20;
  x = aligned_alloc(64, most * 4), y = aligned_alloc(64, most * 4), weights = aligned_alloc(64, most * 4);
  packed = aligned_alloc(64, most * 8), scratch = aligned_alloc(64, most * 4);
  if (!x || !y || !weights || !packed || !scratch) abort();
  for (size_t i = 0; i < most; i++) {
    x[i] = (float)(i * 2654435761u % 2000) / 1000 - 1, y[i] = 0;
    weights[i] = (float)(i * 40503u % 1000) / 1000 - 0.5f;
  }
  const adze_isa isas[] = {ADZE_ISA_AVX2, ADZE_ISA_AVX512};
  for (size_t at = 0; at < bench_layer_count; at++) {
    const layer *l = &bench_layers[at];
    char label[64];
    snprintf(label, sizeof label, "conv2d_f32 %s", l->name);
    if (!strstr(label, wanted)) continue;
    double times[2][METHODS][BENCH_ROUNDS];
    long calls[2][METHODS] = {{0}};
    for (int round = 0; round < BENCH_ROUNDS; round++) {
      for (int isa = 0; isa < 2; isa++) {
        const adze_kernels *k = adze_kernels_for(isas[isa]);
        for (int m = 0; k && m < METHODS; m++) times[isa][m][round] = speed(&methods[m], k, l, &calls[isa][m]);
      }
    }
    const adze_conv2d_f32 c = conv_of(l);
    const double work = 2.0 * (double)(c.batch * c.window.output_height * c.window.output_width * l->filters
      * c.window.channels * l->kernel * l->kernel);
    printf("%-40s", label);
    for (int isa = 0; isa < 2; isa++) {
      if (!adze_kernels_for(isas[isa])) continue;
      printf("  %s", adze_isa_name(isas[isa]));
      for (int m = 0; m < METHODS; m++) {
        const double time = bench_median(times[isa][m]);
        if (time > 0) printf(" %s %6.1f us %6.1f", methods[m].name, time * 1e6, work / time * 1e-9);
      }
    }
    printf("\n");
    fflush(stdout);
  }
  free(x), free(y), free(weights), free(packed), free(scratch);
}
