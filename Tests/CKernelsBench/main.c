// Speed of every row of kernels.inc on every instruction set of this CPU: medians of interleaved rounds.
// usage: kernel-bench [kernel name part]
#include "bench.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = BENCH_ROUNDS, ELEMENTS = 16384 };

typedef struct {
  const char *label;
  double work;  // operations or elements of one call
  const char *unit;
  void (*call)(const adze_kernels *, const void *);
  const void *context;
} job;

double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

double bench_median(double times[BENCH_ROUNDS]) {
  qsort(times, BENCH_ROUNDS, sizeof *times, ascending);
  return times[BENCH_ROUNDS / 2];
}

static double time_of(const job *j, const adze_kernels *k, long calls) {
  const double start = bench_now();
  for (long i = 0; i < calls; i++) j->call(k, j->context);
  return (bench_now() - start) / (double)calls;
}

/// One line: giga-units a second on each instruction set. Rounds go over all sets, so that a slow moment hits all.
static void report(const job *j, void (*prepare)(const adze_kernels *, const void *)) {
  double times[ADZE_ISA_COUNT][ROUNDS];
  long calls[ADZE_ISA_COUNT] = {0};
  for (int round = -1; round < ROUNDS; round++) {
    for (int isa = 0; isa < ADZE_ISA_COUNT; isa++) {
      const adze_kernels *k = adze_kernels_for((adze_isa)isa);
      if (!k) continue;
      if (prepare) prepare(k, j->context);
      if (round < 0) {
        const double once = time_of(j, k, 1) + 1e-9;
        calls[isa] = (long)(0.002 / once) + 1;
      } else {
        times[isa][round] = time_of(j, k, calls[isa]);
      }
    }
  }
  printf("%-34s %-9s", j->label, j->unit);
  for (int isa = 0; isa < ADZE_ISA_COUNT; isa++) {
    if (!calls[isa]) {
      printf(" %10s", "-");
      continue;
    }
    printf(" %10.2f", j->work / bench_median(times[isa]) * 1e-9);
  }
  printf("\n");
  fflush(stdout);
}

static float *x, *y, *z;
static uint8_t *bytes, *more_bytes;
static int32_t *integers;
static void *packed;
static const char *wanted = "";

// ------------------------------------------------------------------------------------------------------- GEMM

typedef struct {
  ptrdiff_t m, n, k;
  const uint8_t *weights;
} shape;
// 8-bit weights by their distribution: what a trained layer has lies between the first two.
static uint8_t *gaussian, *laplace, *uniform;
// Layers of the digits MLP, of BERT-base and of ResNet-50 (as im2col products), and squares.
static const shape shapes[] = {
  {1, 256, 64},   {32, 256, 64},   {32, 128, 256}, {32, 10, 128},   {1, 1024, 1024}, {4, 1024, 1024}, {32, 1024, 1024},
  {128, 768, 768}, {128, 3072, 768}, {64, 3136, 576}, {256, 196, 2304}, {256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}};

static void gemm_f32(const adze_kernels *k, const void *context) {
  const shape *s = context;
  const adze_gemm_f32 g = {.m = s->m, .n = s->n, .k = s->k, .a = x, .a_row_stride = s->k, .a_column_stride = 1,
    .b_packed = packed, .c = z, .c_row_stride = s->n, .epilogue = {.column_bias = y}};
  k->gemm_f32(&g, 0, s->m, 0, (s->n + k->gemm_f32_panel - 1) / k->gemm_f32_panel);
}
static void pack_f32(const adze_kernels *k, const void *context) {
  const shape *s = context;
  k->pack_b_f32(y, s->n, 1, s->k, s->n, packed, 0, (s->n + k->gemm_f32_panel - 1) / k->gemm_f32_panel);
}
static void gemm_i8(const adze_kernels *k, const void *context) {
  const shape *s = context;
  static const int32_t zero_point = 128;
  static const float scale = 0.01f;
  const adze_gemm_i8 g = {.m = s->m, .n = s->n, .k = s->k, .a = bytes, .a_row_stride = s->k, .a_column_stride = 1,
    .a_zero_point = &zero_point, .b_packed = packed, .b_signed = true, .output = ADZE_I8_OUTPUT_F32, .c = z,
    .c_row_stride = s->n, .a_scale = &scale, .b_scale = y, .b_scale_stride = 1, .epilogue = {.column_bias = y}};
  k->gemm_i8(&g, 0, s->m, 0, (s->n + k->gemm_i8_panel - 1) / k->gemm_i8_panel);
}
static void pack_i8(const adze_kernels *k, const void *context) {
  const shape *s = context;
  k->pack_b_i8(s->weights, true, s->n, 1, s->k, s->n, packed, 0, (s->n + k->gemm_i8_panel - 1) / k->gemm_i8_panel);
}

typedef void call_fn(const adze_kernels *, const void *);
static void bench_shapes(const char *slot, call_fn *call, call_fn *prepare, const uint8_t *weights) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    shape copy = shapes[i], *s = &copy;
    s->weights = weights;
    char label[64];
    snprintf(label, sizeof label, "%s %tdx%tdx%td", slot, s->m, s->n, s->k);
    const bool packs = !prepare;
    const double work = packs ? (double)(s->n * s->k) : 2.0 * (double)(s->m * s->n * s->k);
    const job j = {label, work, packs ? "Gelem/s" : "Gop/s", call, s};
    if (!packs || s->m > 4) report(&j, prepare);
  }
}

// ------------------------------------------------------------------------------- one bench for each kind of kernel

/// Address of a slot inside a table.
static void *slot_of(const adze_kernels *k, const void *context) {
  void *kernel;
  memcpy(&kernel, (const char *)k + *(const size_t *)context, sizeof kernel);
  return kernel;
}
#define SLOT(type) ((type *)slot_of(k, context))

static void unary(const adze_kernels *k, const void *context) { SLOT(adze_unary_f32_fn)(x, z, ELEMENTS, 0.5f, 2); }
static void binary(const adze_kernels *k, const void *context) {
  SLOT(adze_binary_f32_fn)(1, ELEMENTS, x, 0, 1, y, 0, 1, z, 0);
}
static volatile float float_sink;
static volatile int64_t integer_sink;
static void reduce(const adze_kernels *k, const void *context) { float_sink = SLOT(adze_reduce_f32_fn)(x, ELEMENTS); }
static void row(const adze_kernels *k, const void *context) { SLOT(adze_row_f32_fn)(x, z, ELEMENTS); }
static void layer_norm(const adze_kernels *k, const void *context) {
  SLOT(adze_layer_norm_f32_fn)(x, y, y, z, ELEMENTS, 1e-5f, NULL, NULL);
}
static void softmax_part(const adze_kernels *k, const void *context) {
  float maximum = -INFINITY, sum = 0;
  memcpy(z, x, ELEMENTS * sizeof *z);
  float_sink = SLOT(adze_softmax_part_f32_fn)(z, ELEMENTS, 0.125f, y, 1, &maximum, &sum);
}
static void quantize_u8(const adze_kernels *k, const void *c) { (void)c, k->quantize_u8(x, bytes, ELEMENTS, 0.01f, 128); }
static void quantize_s8(const adze_kernels *k, const void *c) {
  (void)c, k->quantize_s8(x, (int8_t *)bytes, ELEMENTS, 0.01f, 0);
}
static void dequantize_u8(const adze_kernels *k, const void *c) { (void)c, k->dequantize_u8(bytes, z, ELEMENTS, 0.01f, 128); }
static void dequantize_s8(const adze_kernels *k, const void *c) {
  (void)c, k->dequantize_s8((int8_t *)bytes, z, ELEMENTS, 0.01f, 0);
}
static void dequantize_i32(const adze_kernels *k, const void *c) {
  (void)c, k->dequantize_i32(integers, z, ELEMENTS, y, 1, x, 1);
}
static void min_max(const adze_kernels *k, const void *c) {
  float low, high;
  (void)c, k->min_max_f32(x, ELEMENTS, &low, &high);
  float_sink = low + high;
}
static void sum_u8(const adze_kernels *k, const void *c) { (void)c, integer_sink = k->sum_u8(bytes, ELEMENTS); }
static void sum_s8(const adze_kernels *k, const void *c) { (void)c, integer_sink = k->sum_s8((int8_t *)bytes, ELEMENTS); }

static const adze_window2d same_3x3 = {64, 56, 56, 3, 3, 1, 1, 1, 1, 1, 1, 56, 56};
static const adze_window2d pool_2x2 = {64, 56, 56, 2, 2, 2, 2, 1, 1, 0, 0, 28, 28};
enum { PIXELS = 56 * 56, POOLED = 28 * 28 };
static void im2col_pack(const adze_kernels *k, const void *c) {
  (void)c, k->im2col_pack_b_f32(&same_3x3, x, packed, 0, (PIXELS + k->gemm_f32_panel - 1) / k->gemm_f32_panel);
}
static void im2col_8(const adze_kernels *k, const void *c) { (void)c, k->im2col_8(&same_3x3, bytes, 0, packed, 0, 576); }
static void depthwise(const adze_kernels *k, const void *c) { (void)c, k->depthwise_f32(&same_3x3, x, y, 0, 0, 6, z, 0, 56); }
static void max_pool(const adze_kernels *k, const void *c) { (void)c, k->max_pool_f32(&pool_2x2, x, z); }
static void average_pool(const adze_kernels *k, const void *c) { (void)c, k->average_pool_f32(&pool_2x2, x, false, 0, 0, z); }
static void pool_nhwc(const adze_kernels *k, const void *context) {
  const adze_pool2d_f32 pool = {.window = {64, 56, 56, 3, 3, 2, 2, 1, 1, 1, 1, 28, 28}, .x = x, .x_pixel_stride = 64,
    .y = z, .y_pixel_stride = 64};
  SLOT(adze_pool2d_f32_fn)(&pool, 0, 28);
}
static void scale_shift(const adze_kernels *k, const void *context) {
  const adze_scale_shift_f32 s = {.channels = 64, .x = x, .x_pixel_stride = 64, .scale = y, .shift = y, .y = z,
    .y_pixel_stride = 64, .clamps = true, .maximum = 6};
  (void)context, k->scale_shift_nhwc_f32(&s, 0, ELEMENTS / 64);
}
static void pool_i8(const adze_kernels *k, const void *context) {
  const adze_pool2d_i8 pool = {.window = {64, 56, 56, 3, 3, 2, 2, 1, 1, 1, 1, 28, 28}, .x = bytes, .x_pixel_stride = 64,
    .y = more_bytes, .y_pixel_stride = 64, .x_scale = 0.01f, .y_scale = 0.01f};
  SLOT(adze_pool2d_i8_fn)(&pool, 0, 28);
}
static void add_i8(const adze_kernels *k, const void *c) {
  const adze_add_i8 sum = {.a_zero_point = 100, .b_zero_point = 120, .y_zero_point = 110, .a_scale = 0.011f,
    .b_scale = 0.013f, .y_scale = 0.02f};
  (void)c, k->add_i8(&sum, bytes, more_bytes, z, ELEMENTS);
}
static void lookup(const adze_kernels *k, const void *c) {
  (void)c, k->lookup_8(bytes, more_bytes, (uint8_t *)z, ELEMENTS);
}
static void transpose_8(const adze_kernels *k, const void *c) {
  (void)c, k->transpose_8(bytes, 128, (uint8_t *)z, 128, 128, 128);
}
static void transpose(const adze_kernels *k, const void *c) { (void)c, k->transpose_32(x, 128, z, 128, 128, 128); }
enum { PEAK_ROUNDS = 1000 };
static void peak_f32(const adze_kernels *k, const void *c) { (void)c, k->peak_f32(PEAK_ROUNDS, 0.5f, 1, z); }
static void peak_i8(const adze_kernels *k, const void *c) {
  static const int8_t weights[ADZE_PEAK_COUNT * ADZE_PEAK_DEPTH] = {1, -1, 2};
  (void)c, k->peak_i8(PEAK_ROUNDS, bytes, weights, integers);
}
static void peak_read(const adze_kernels *k, const void *c) { (void)c, integer_sink = k->peak_read(x, ELEMENTS); }

typedef struct {
  call_fn *call;
  double work;
} kind;

#define KIND(slot, kernel)                                                                                          \
  _Generic((kernel), adze_unary_f32_fn *: (kind){unary, ELEMENTS}, adze_binary_f32_fn *: (kind){binary, ELEMENTS},  \
    adze_reduce_f32_fn *: (kind){reduce, ELEMENTS}, adze_row_f32_fn *: (kind){row, ELEMENTS},                       \
    adze_softmax_part_f32_fn *: (kind){softmax_part, ELEMENTS},                                                     \
    adze_layer_norm_f32_fn *: (kind){layer_norm, ELEMENTS}, adze_quantize_u8_fn *: (kind){quantize_u8, ELEMENTS},   \
    adze_quantize_s8_fn *: (kind){quantize_s8, ELEMENTS}, adze_dequantize_u8_fn *: (kind){dequantize_u8, ELEMENTS}, \
    adze_dequantize_s8_fn *: (kind){dequantize_s8, ELEMENTS},                                                       \
    adze_dequantize_i32_fn *: (kind){dequantize_i32, ELEMENTS}, adze_min_max_f32_fn *: (kind){min_max, ELEMENTS},   \
    adze_sum_u8_fn *: (kind){sum_u8, ELEMENTS}, adze_sum_s8_fn *: (kind){sum_s8, ELEMENTS},                         \
    adze_im2col_pack_b_f32_fn *: (kind){im2col_pack, 576.0 * PIXELS},                                               \
    adze_im2col_8_fn *: (kind){im2col_8, 576.0 * PIXELS}, adze_depthwise_f32_fn *: (kind){depthwise, PIXELS},       \
    adze_max_pool_f32_fn *: (kind){max_pool, POOLED}, adze_average_pool_f32_fn *: (kind){average_pool, POOLED},     \
    adze_pool2d_f32_fn *: (kind){pool_nhwc, 64.0 * POOLED},                                                         \
    adze_scale_shift_f32_fn *: (kind){scale_shift, ELEMENTS},                                                       \
    adze_pool2d_i8_fn *: (kind){pool_i8, 64.0 * POOLED}, adze_add_i8_fn *: (kind){add_i8, ELEMENTS},                \
    adze_lookup_8_fn *: (kind){lookup, ELEMENTS}, adze_transpose_8_fn *: (kind){transpose_8, ELEMENTS},             \
    adze_transpose_32_fn *: (kind){transpose, ELEMENTS}, adze_peak_read_fn *: (kind){peak_read, ELEMENTS},           \
    adze_peak_f32_fn *: (kind){peak_f32, 2.0 * PEAK_ROUNDS * ADZE_PEAK_COUNT},                                      \
    adze_peak_i8_fn *: (kind){peak_i8, 2.0 * PEAK_ROUNDS * ADZE_PEAK_COUNT * ADZE_PEAK_DEPTH}, default: (kind){NULL, 0})

static void bench(const char *slot, size_t offset, kind k) {
  if (!strstr(slot, wanted)) return;
  if (strcmp(slot, "gemm_f32") == 0) bench_shapes(slot, gemm_f32, pack_f32, NULL);
  else if (strcmp(slot, "gemm_i8") == 0) {
    bench_shapes("gemm_i8 gaussian", gemm_i8, pack_i8, gaussian);
    bench_shapes("gemm_i8 laplace", gemm_i8, pack_i8, laplace);
    bench_shapes("gemm_i8 uniform", gemm_i8, pack_i8, uniform);
  }
  else if (strcmp(slot, "pack_b_f32") == 0) bench_shapes(slot, pack_f32, NULL, NULL);
  else if (strcmp(slot, "pack_b_i8") == 0) bench_shapes(slot, pack_i8, NULL, gaussian);
  else if (k.call) report(&(job){slot, k.work, "Gelem/s", k.call, &offset}, NULL);
}

static uint32_t random_state = 1;
static double random_unit(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return ((random_state >> 8) + 0.5) / 16777216.0;
}
static uint8_t weight_of(double x) { return (uint8_t)(int8_t)rint(x < -127 ? -127 : x > 127 ? 127 : x); }

/// int8 weights quantized so that the largest of about 1,000 is 127, as per-channel scales make them.
static bool make_weights(size_t count) {
  gaussian = malloc(count), laplace = malloc(count), uniform = malloc(count);
  if (!gaussian || !laplace || !uniform) return false;
  for (size_t i = 0; i < count; i++) {
    const double u = random_unit(), angle = 6.283185307179586 * random_unit(), sign = random_unit() < 0.5 ? -1 : 1;
    gaussian[i] = weight_of(127 / 3.25 * sqrt(-2 * log(u)) * cos(angle));
    laplace[i] = weight_of(127 / 7.5 * sign * -log(u));
    uniform[i] = weight_of(127 * (2 * u - 1));
  }
  return true;
}

int main(int count, char **arguments) {
  if (count > 1) wanted = arguments[1];
  const size_t most = (size_t)4 << 20;
  x = aligned_alloc(64, most * 4), y = aligned_alloc(64, most * 4), z = aligned_alloc(64, most * 4);
  bytes = aligned_alloc(64, most), more_bytes = aligned_alloc(64, most), integers = aligned_alloc(64, ELEMENTS * 4);
  packed = aligned_alloc(64, most * 4);
  if (!x || !y || !z || !bytes || !more_bytes || !integers || !packed || !make_weights(most)) return 1;
  for (size_t i = 0; i < most; i++) {
    x[i] = (float)(i * 2654435761u % 2000) / 1000 - 1, y[i] = (float)(i * 40503u % 1000 + 1) / 1000, z[i] = 0;
    bytes[i] = (uint8_t)(i * 167), more_bytes[i] = (uint8_t)(i * 59);
  }
  for (int i = 0; i < ELEMENTS; i++) integers[i] = i * 977;
  printf("%-34s %-9s", "kernel", "unit");
  for (int isa = 0; isa < ADZE_ISA_COUNT; isa++) printf(" %10s", adze_isa_name((adze_isa)isa));
  printf("\n");
#define ADZE_KERNEL(slot, ...) bench(#slot, offsetof(adze_kernels, slot), KIND(slot, ((adze_kernels *)0)->slot));
#define ADZE_SIZE(...)
#include "../../Sources/CKernels/kernels.inc"
  bench_convolutions(wanted);
  bench_convolutions_i8(wanted);
  bench_products(wanted);
  return 0;
}
