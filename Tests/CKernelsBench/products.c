// One product in every form that its weights can take, on every instruction set: medians of interleaved rounds.
#include "bench.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  ptrdiff_t m, n, k;
} product;

/// A form of the weights: how they are packed and multiplied. `packed` is this form's own.
typedef struct {
  const char *name;
  void (*pack)(const adze_kernels *k, const product *p, void *packed);
  void (*run)(const adze_kernels *k, const product *p, const void *packed);
} form;

enum { LARGEST = 4096 * 4096, FORMS = 12 };
static float *a, *c, *b, *scales, *scratch;
static uint8_t *a_bytes, *b_bytes;
// The same weights, some of them taken away: any, two of four along k, and blocks of 1 x 16 and 1 x 4.
static float *pruned, *two_of_four, *blocks, *quads;
static uint8_t *pruned_bytes;

static ptrdiff_t f32_panels(const adze_kernels *k, const product *p) {
  return (p->n + k->gemm_f32_panel - 1) / k->gemm_f32_panel;
}

static void pack_f32(const adze_kernels *k, const product *p, void *packed) {
  k->pack_b_f32(b, p->n, 1, p->k, p->n, packed, 0, f32_panels(k, p));
}
static void run_f32(const adze_kernels *k, const product *p, const void *packed) {
  const adze_gemm_f32 g = {.m = p->m, .n = p->n, .k = p->k, .a = a, .a_row_stride = p->k, .a_column_stride = 1,
    .b_packed = packed, .c = c, .c_row_stride = p->n, .epilogue = {.column_bias = scales}};
  k->gemm_f32(&g, 0, p->m, 0, f32_panels(k, p));
}

static ptrdiff_t i8_panels(const adze_kernels *k, const product *p) {
  return (p->n + k->gemm_i8_panel - 1) / k->gemm_i8_panel;
}
static void pack_i8(const adze_kernels *k, const product *p, void *packed) {
  k->pack_b_i8(b_bytes, true, p->n, 1, p->k, p->n, packed, 0, i8_panels(k, p));
}
static adze_gemm_i8 i8_product(const product *p, const void *packed, adze_i8_a source) {
  static const int32_t zero_point = 128;
  return (adze_gemm_i8){.m = p->m, .n = p->n, .k = p->k, .a = source ? (const void *)a : a_bytes, .a_source = source,
    .a_row_stride = p->k, .a_column_stride = 1, .a_zero_point = &zero_point, .b_packed = packed, .b_signed = true,
    .output = ADZE_I8_OUTPUT_F32, .c = c, .c_row_stride = p->n, .a_scale = scales, .b_scale = scales,
    .b_scale_stride = 1, .epilogue = {.column_bias = scales}};
}
static void run_i8_of(const adze_kernels *k, const product *p, const void *packed, adze_i8_a source) {
  const adze_gemm_i8 g = i8_product(p, packed, source);
  k->gemm_i8(&g, 0, p->m, 0, i8_panels(k, p));
}
static void run_i8(const adze_kernels *k, const product *p, const void *packed) {
  run_i8_of(k, p, packed, ADZE_I8_A_INTEGERS);
}
static void run_i8_dynamic(const adze_kernels *k, const product *p, const void *packed) {
  run_i8_of(k, p, packed, ADZE_I8_A_F32_ROWS);
}

static adze_gemm_block block_product(const product *p, const void *packed) {
  return (adze_gemm_block){.m = p->m, .n = p->n, .k = p->k, .bits = 4, .block = 32, .a = a, .a_row_stride = p->k,
    .b_packed = packed, .c = c, .c_row_stride = p->n, .epilogue = {.column_bias = scales}};
}
static void pack_block(const adze_kernels *k, const product *p, void *packed) {
  const adze_gemm_block g = block_product(p, packed);
  k->pack_b_block(&g, b_bytes, scales, NULL, packed, 0, f32_panels(k, p));
}
static void run_block_f32(const adze_kernels *k, const product *p, const void *packed) {
  const adze_gemm_block g = block_product(p, packed);
  k->gemm_block_f32(&g, 0, p->m, 0, f32_panels(k, p));
}
static void run_block_i8(const adze_kernels *k, const product *p, const void *packed) {
  const adze_gemm_block g = block_product(p, packed);
  k->gemm_block_i8(&g, 0, p->m, 0, f32_panels(k, p));
}

static void pack_i8_pruned(const adze_kernels *k, const product *p, void *packed) {
  k->pack_b_i8(pruned_bytes, true, p->n, 1, p->k, p->n, packed, 0, i8_panels(k, p));
}
static adze_gemm_sparse_f32 sparse_product(const product *p, const void *packed) {
  return (adze_gemm_sparse_f32){.m = p->m, .n = p->n, .k = p->k, .a = a, .a_row_stride = p->k, .b_packed = packed,
    .c = c, .c_row_stride = p->n, .epilogue = {.column_bias = scales}};
}
/// The product of float32 with the weights `from` by one of the sparse kernels.
#define SPARSE_FORM(name, slot, from, panel)                                                    \
  static void pack_##name(const adze_kernels *k, const product *p, void *packed) {             \
    k->pack_b_##slot(from, p->n, 1, p->k, p->n, packed);                                        \
  }                                                                                             \
  static void run_##name(const adze_kernels *k, const product *p, const void *packed) {        \
    const adze_gemm_sparse_f32 g = sparse_product(p, packed);                                   \
    k->gemm_##slot(&g, scratch, 0, p->m, 0, (p->n + panel - 1) / panel);                        \
  }
SPARSE_FORM(sparse, sparse_f32, pruned, ADZE_SPARSE_PANEL)
SPARSE_FORM(columns, sparse_columns_f32, pruned, ADZE_SPARSE_PANEL)
SPARSE_FORM(blocks, sparse_panel_f32, blocks, ADZE_SPARSE_BLOCK)
SPARSE_FORM(quads, sparse_quads_f32, quads, ADZE_SPARSE_PANEL)
SPARSE_FORM(sparse_2of4, sparse_f32, two_of_four, ADZE_SPARSE_PANEL)
SPARSE_FORM(2of4, 2of4_f32, two_of_four, ADZE_SPARSE_PANEL)

static void pack_sparse_i8(const adze_kernels *k, const product *p, void *packed) {
  k->pack_b_sparse_i8(pruned_bytes, true, p->n, 1, p->k, p->n, packed);
}
static void run_sparse_i8(const adze_kernels *k, const product *p, const void *packed) {
  const adze_gemm_i8 g = i8_product(p, packed, ADZE_I8_A_INTEGERS);
  k->gemm_sparse_i8(&g, 0, p->m, 0, (p->n + ADZE_SPARSE_PANEL - 1) / ADZE_SPARSE_PANEL);
}
static void pack_sparse_rows_i8(const adze_kernels *k, const product *p, void *packed) {
  k->pack_b_sparse_rows_i8(pruned_bytes, true, p->n, 1, p->k, p->n, packed);
}
static void run_sparse_rows_i8(const adze_kernels *k, const product *p, const void *packed) {
  const adze_gemm_i8 g = i8_product(p, packed, ADZE_I8_A_INTEGERS);
  k->gemm_sparse_rows_i8(&g, scratch, 0, p->m, 0, (p->n + ADZE_SPARSE_PANEL - 1) / ADZE_SPARSE_PANEL);
}

static const form sparse_forms[] = {{"f32", pack_f32, run_f32}, {"sparse", pack_sparse, run_sparse},
  {"columns", pack_columns, run_columns}, {"1x16", pack_blocks, run_blocks}, {"4x1", pack_quads, run_quads},
  {"int8", pack_i8, run_i8}, {"int8 by itself", pack_i8_pruned, run_i8}, {"sparse int8", pack_sparse_i8, run_sparse_i8},
  {"rows int8", pack_sparse_rows_i8, run_sparse_rows_i8}};
static const form two_of_four_forms[] = {
  {"f32", pack_f32, run_f32}, {"sparse", pack_sparse_2of4, run_sparse_2of4}, {"2:4", pack_2of4, run_2of4}};

static const form dense_forms[] = {{"f32", pack_f32, run_f32}, {"int8", pack_i8, run_i8},
  {"int8 dynamic", pack_i8, run_i8_dynamic}, {"int4/32", pack_block, run_block_f32},
  {"int4/32 int8", pack_block, run_block_i8}};
static const product dense_products[] = {{1, 1024, 1024}, {1, 4096, 4096}, {4, 1024, 1024}, {8, 1024, 1024},
  {32, 1024, 1024}, {128, 768, 768}, {128, 3072, 768}, {128, 768, 3072}};

static double time_of(const form *f, const adze_kernels *k, const product *p, const void *packed, long calls) {
  const double start = bench_now();
  for (long i = 0; i < calls; i++) f->run(k, p, packed);
  return (bench_now() - start) / (double)calls;
}

/// One line for each instruction set: giga-operations a second of each form, zeros counted.
static void report(const char *label, const form *forms, int count, const product *p) {
  void *packed[FORMS];
  const size_t most = (size_t)(p->n + 64) * (size_t)(p->k + 256) * 8;
  for (int f = 0; f < count; f++) packed[f] = aligned_alloc(64, most);
  for (int isa = 0; isa < ADZE_ISA_COUNT; isa++) {
    const adze_kernels *k = adze_kernels_for((adze_isa)isa);
    if (!k) continue;
    double times[FORMS][BENCH_ROUNDS];
    long calls[FORMS];
    for (int f = 0; f < count; f++) {
      forms[f].pack(k, p, packed[f]);
      time_of(&forms[f], k, p, packed[f], 1);
      calls[f] = (long)(0.003 / (time_of(&forms[f], k, p, packed[f], 1) + 1e-9)) + 1;
    }
    for (int round = 0; round < BENCH_ROUNDS; round++) {
      for (int f = 0; f < count; f++) times[f][round] = time_of(&forms[f], k, p, packed[f], calls[f]);
    }
    printf("%-28s %-10s", label, adze_isa_name((adze_isa)isa));
    for (int f = 0; f < count; f++) {
      const double work = 2.0 * (double)p->m * (double)p->n * (double)p->k;
      printf("  %s %.1f", forms[f].name, work / bench_median(times[f]) * 1e-9);
    }
    printf("\n");
    fflush(stdout);
  }
  for (int f = 0; f < count; f++) free(packed[f]);
}

static uint32_t state = 1;
static double unit(void) {
  state = state * 1664525u + 1013904223u;
  return ((state >> 8) + 0.5) / 16777216.0;
}

/// Keeps `density` of the weights of a [768, 768] matrix.
static void prune(double density, ptrdiff_t n, ptrdiff_t k) {
  for (ptrdiff_t i = 0; i < k; i++) {
    bool kept = true, kept_quad = true;
    for (ptrdiff_t j = 0; j < n; j++) {
      const ptrdiff_t at = i * n + j;
      if (j % 16 == 0) kept = unit() < density;
      if (j % 4 == 0) kept_quad = unit() < density;
      const bool stays = unit() < density;
      // A weight that stays is not zero: those near zero are what pruning takes.
      const float w = b[at] == 0 ? 1 : b[at];
      pruned[at] = stays ? w : 0, pruned_bytes[at] = stays ? (uint8_t)(int8_t)w : 0;
      quads[at] = kept_quad ? w : 0;
      blocks[at] = kept ? w : 0, two_of_four[at] = (i + j) % 4 < 2 ? w : 0;
    }
  }
}

static void bench_sparse(void) {
  static const double densities[] = {0.05, 0.1, 0.2, 0.3, 0.5};
  static const product products[] = {{1, 768, 768}, {8, 768, 768}, {32, 768, 768}, {128, 768, 768}};
  const size_t count = 768 * 768;
  pruned = malloc(count * 4), two_of_four = malloc(count * 4), blocks = malloc(count * 4);
  quads = malloc(count * 4), pruned_bytes = malloc(count);
  scratch = aligned_alloc(64, 32 * 768 * 4);
  if (!pruned || !two_of_four || !blocks || !quads || !pruned_bytes || !scratch) abort();
  for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
    const product *p = &products[i];
    char label[64];
    for (size_t d = 0; d < sizeof densities / sizeof *densities; d++) {
      prune(densities[d], p->n, p->k);
      snprintf(label, sizeof label, "products %tdx%tdx%td %2.0f%%", p->m, p->n, p->k, 100 * densities[d]);
      report(label, sparse_forms, sizeof sparse_forms / sizeof *sparse_forms, p);
    }
    snprintf(label, sizeof label, "products %tdx%tdx%td", p->m, p->n, p->k);
    report(label, two_of_four_forms, sizeof two_of_four_forms / sizeof *two_of_four_forms, p);
  }
  free(pruned), free(two_of_four), free(blocks), free(quads), free(pruned_bytes), free(scratch);
}

void bench_products(const char *wanted) {
  if (!strstr("products", wanted)) return;
  a = aligned_alloc(64, (size_t)LARGEST), c = aligned_alloc(64, (size_t)LARGEST);
  b = aligned_alloc(64, (size_t)LARGEST * 4), scales = aligned_alloc(64, (size_t)LARGEST);
  a_bytes = aligned_alloc(64, LARGEST / 4), b_bytes = aligned_alloc(64, LARGEST);
  if (!a || !c || !b || !scales || !a_bytes || !b_bytes) abort();
  for (int i = 0; i < LARGEST / 4; i++) {
    a[i] = (float)unit() - 0.5f, a_bytes[i] = (uint8_t)(255 * unit()), scales[i] = 0.001f + 0.001f * (float)unit();
  }
  // Between a Gaussian and a Laplace distribution, as weights of trained layers are.
  for (int i = 0; i < LARGEST; i++) {
    const double u = unit(), v = unit(), heavy = unit() < 0.5 ? 127 / 7.5 * -log(u) : 127 / 4.0 * sqrt(-2 * log(u));
    const double w = rint(heavy * cos(6.283185307179586 * v));
    b_bytes[i] = (uint8_t)(int8_t)(w < -127 ? -127 : w > 127 ? 127 : w);
    b[i] = (float)(int8_t)b_bytes[i];
  }
  for (size_t i = 0; i < sizeof dense_products / sizeof *dense_products; i++) {
    const product *p = &dense_products[i];
    char label[64];
    snprintf(label, sizeof label, "products %tdx%tdx%td", p->m, p->n, p->k);
    report(label, dense_forms, sizeof dense_forms / sizeof *dense_forms, p);
  }
  bench_sparse();
  free(a), free(c), free(b), free(scales), free(a_bytes), free(b_bytes);
}
