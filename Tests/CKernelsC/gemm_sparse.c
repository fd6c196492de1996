#include "check.h"

enum { DENSE = 0, RANDOM = 1, TWO_OF_FOUR = 2, BLOCKS = 3, EMPTY = 4, PATTERNS = 5 };

static float *sparse_weights(ptrdiff_t k, ptrdiff_t n, int pattern) {
  float *b = random_floats(k * n, -1, 1);
  for (ptrdiff_t i = 0; i < k; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      const uint32_t block = (uint32_t)(i * 31 + j / 16 * 17) * 2654435761u >> 20;
      const bool kept = pattern == DENSE || (pattern == RANDOM && random_bits() % 8 == 0)
        || (pattern == TWO_OF_FOUR && (i + j) % 4 < 2) || (pattern == BLOCKS && block % 5 == 0);
      if (!kept) b[i * n + j] = 0;
    }
  }
  return b;
}

typedef struct {
  adze_gemm_sparse_f32_fn *run;
  adze_pack_b_sparse_f32_fn *pack;
  ptrdiff_t panel;
} sparse_kernel;

static void run(
  checker *c, const sparse_kernel *s, const adze_gemm_sparse_f32 *g, ptrdiff_t row_step, ptrdiff_t panel_step) {
  const ptrdiff_t panels = (g->n + s->panel - 1) / s->panel;
  float *scratch = guarded((size_t)adze_gemm_sparse_scratch_count(c->kernels, g->k) * 4, 0xff);
  for (ptrdiff_t row = 0; row < g->m; row += row_step) {
    const ptrdiff_t row_end = row + row_step < g->m ? row + row_step : g->m;
    for (ptrdiff_t panel = 0; panel < panels; panel += panel_step) {
      s->run(g, scratch, row, row_end, panel, panel + panel_step < panels ? panel + panel_step : panels);
    }
  }
}

/// Within (k + 3) half units of Σ|a||w|, the same bits for every split, and nothing past the ends.
static void check_product(checker *c, const sparse_kernel *s, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form) {
  if (!takes_turn()) return;
  const int pattern = form % PATTERNS;
  const bool transposed = form & 1;
  float *b = sparse_weights(k, n, pattern), *bt = guarded((size_t)(k * n) * 4, 0);
  for (ptrdiff_t i = 0; i < k; i++) for (ptrdiff_t j = 0; j < n; j++) bt[j * k + i] = b[i * n + j];
  const float *from = transposed ? bt : b;
  const ptrdiff_t k_stride = transposed ? 1 : n, n_stride = transposed ? k : 1;
  const ptrdiff_t bytes = s->pack(from, k_stride, n_stride, k, n, NULL);
  void *packed = guarded((size_t)(bytes + 7) / 8 * 8, 0xff);
  expect(c, s->pack(from, k_stride, n_stride, k, n, packed) == bytes, "two sizes of one matrix");
  float *a = random_floats(m * (k + 1), -1, 1);
  // What is not stored is not multiplied.
  if (pattern == EMPTY && m * k > 0) a[0] = NAN;
  const ptrdiff_t stride = n + 3;
  float *got = guarded((size_t)(m * stride) * 4, 0x55), *split = guarded((size_t)(m * stride) * 4, 0x55);
  adze_gemm_sparse_f32 g = {.m = m, .n = n, .k = k, .a = a, .a_row_stride = k + 1, .b_packed = packed, .c = got,
    .c_row_stride = stride};
  if (form & 2) {
    g.epilogue = (adze_epilogue_f32){.column_bias = random_floats(n, -1, 1), .row_bias = random_floats(m, -1, 1),
      .clamps = true, .minimum = -1, .maximum = 2, .activation = c->kernels->leaky_relu_f32, .alpha = 0.5f};
  }
  run(c, s, &g, 1000, 1000);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      double sum = 0, magnitude = 0;
      for (ptrdiff_t q = 0; q < k; q++) {
        const double term = pattern == EMPTY ? 0 : (double)a[i * (k + 1) + q] * b[q * n + j];
        sum += term, magnitude += fabs(term);
      }
      if (form & 2) {
        sum = sum + g.epilogue.column_bias[j] + g.epilogue.row_bias[i];
        sum = sum < -1 ? -1 : sum > 2 ? 2 : sum;
        if (sum < 0) sum /= 2;
      }
      const double bound = (double)(k + 3) * (magnitude + 3) * 0x1p-24;
      const float value = got[i * stride + j];
      expect(c, fabs(value - sum) <= bound, "%td x %td x %td form %d: [%td, %td] = %.9g, not %.9g", m, n, k, form, i, j,
        value, sum);
    }
    for (ptrdiff_t j = n; j < stride; j++) {
      int32_t bits;
      memcpy(&bits, &got[i * stride + j], sizeof bits);
      expect(c, bits == 0x55555555, "wrote past row %td", i);
    }
  }
  g.c = split;
  run(c, s, &g, 1 + form % 11, 1 + form % 2);
  expect(c, same_bits(got, split, (size_t)(m * stride) * 4), "%td x %td x %td: splits differ", m, n, k);
  release_all();
}

static void check_all(checker *c, const sparse_kernel *s) {
  const ptrdiff_t rows = c->kernels->gemm_sparse_rows, panel = s->panel;
  const ptrdiff_t ms[] = {0, 1, 2, 3, 5, 7, 8, 9, 12, 13, 16, 17, rows - 1, rows, rows + 1, 100};
  const ptrdiff_t ns[] = {0, 1, 7, 8, panel - 1, panel, panel + 1, 2 * panel + 9};
  const ptrdiff_t ks[] = {0, 1, 7, 8, 9, 64, 95, 96, 97, 191, 192, 193, 400};
  int form = 0;
  for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
    for (size_t j = 0; j < sizeof ns / sizeof *ns; j++) {
      for (size_t q = 0; q < 3; q++) check_product(c, s, ms[i], ns[j], ks[(i + 3 * j + 5 * q) % 13], form++);
    }
  }
  for (size_t q = 0; q < sizeof ks / sizeof *ks; q++) check_product(c, s, rows + 3, panel + 5, ks[q], form++);
}

void check_gemm_sparse_f32(checker *c) {
  check_all(c, &(sparse_kernel){c->kernels->gemm_sparse_f32, c->kernels->pack_b_sparse_f32, ADZE_SPARSE_PANEL});
}
void check_gemm_sparse_panel_f32(checker *c) {
  check_all(
    c, &(sparse_kernel){c->kernels->gemm_sparse_panel_f32, c->kernels->pack_b_sparse_panel_f32, ADZE_SPARSE_BLOCK});
}
void check_gemm_sparse_columns_f32(checker *c) {
  const adze_kernels *k = c->kernels;
  check_all(c, &(sparse_kernel){k->gemm_sparse_columns_f32, k->pack_b_sparse_columns_f32, ADZE_SPARSE_PANEL});
}
void check_gemm_sparse_quads_f32(checker *c) {
  const adze_kernels *k = c->kernels;
  check_all(c, &(sparse_kernel){k->gemm_sparse_quads_f32, k->pack_b_sparse_quads_f32, ADZE_SPARSE_PANEL});
}
void check_gemm_2of4_f32(checker *c) {
  const adze_kernels *k = c->kernels;
  const sparse_kernel s = {k->gemm_2of4_f32, k->pack_b_2of4_f32, ADZE_SPARSE_PANEL};
  const ptrdiff_t ms[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 17, 33}, ks[] = {0, 1, 2, 3, 4, 5, 8, 31, 32, 33, 64, 100, 131};
  const ptrdiff_t ns[] = {0, 1, 7, 8, 9, 16, 17, 31, 32, 33, 48, 63, 64, 65, 137};
  int form = TWO_OF_FOUR;
  for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
    for (size_t j = 0; j < sizeof ns / sizeof *ns; j++) {
      for (size_t q = 0; q < 3; q++, form += PATTERNS) check_product(c, &s, ms[i], ns[j], ks[(i + 3 * j + 4 * q) % 13], form);
    }
  }
}

/// What is stored takes memory, what is not stored takes none.
static void check_size(checker *c, adze_pack_b_sparse_f32_fn *pack, ptrdiff_t stored_bytes) {
  float *b = guarded(128 * 256 * 4, 0);
  const ptrdiff_t empty = pack(b, 128, 1, 256, 128, NULL);
  for (ptrdiff_t i = 0; i < 256; i += 4) b[i * 128] = 1;
  expect(c, pack(b, 128, 1, 256, 128, NULL) == empty + 64 * stored_bytes, "size of 64 stored weights");
  release_all();
}
void check_pack_b_sparse_f32(checker *c) { check_size(c, c->kernels->pack_b_sparse_f32, 8); }
void check_pack_b_sparse_quads_f32(checker *c) { check_size(c, c->kernels->pack_b_sparse_quads_f32, 20); }
void check_pack_b_sparse_panel_f32(checker *c) { check_size(c, c->kernels->pack_b_sparse_panel_f32, 4 + 64); }

/// A window without weights takes no memory; columns whose weights lie together share steps.
void check_pack_b_sparse_columns_f32(checker *c) {
  float *b = guarded(64 * 256 * 4, 0);
  adze_pack_b_sparse_f32_fn *pack = c->kernels->pack_b_sparse_columns_f32;
  const ptrdiff_t empty = pack(b, 64, 1, 256, 64, NULL);
  for (ptrdiff_t i = 0; i < 256; i += 64) for (ptrdiff_t j = 0; j < 64; j++) b[i * 64 + j] = 1;
  const ptrdiff_t some = pack(b, 64, 1, 256, 64, NULL);
  expect(c, some == empty + 4 * (64 * 5 + 64 * 4 / (c->kernels->gemm_f32_panel / 2)), "four weights a column: %td", some);
  release_all();
}

/// Half of the weights and a sixteenth for their places; a third weight of four is refused, a second is not.
void check_pack_b_2of4_f32(checker *c) {
  float *b = guarded(64 * 64 * 4, 0);
  adze_pack_b_sparse_f32_fn *pack = c->kernels->pack_b_2of4_f32;
  expect(c, pack(b, 64, 1, 64, 64, NULL) == 64 * 64 * 2 + 64 * 64 / 8, "size of 64 x 64");
  b[4 * 64 + 63] = b[7 * 64 + 63] = 1;
  expect(c, pack(b, 64, 1, 64, 64, NULL) > 0, "two of four");
  b[5 * 64 + 63] = 1;
  expect(c, pack(b, 64, 1, 64, 64, NULL) == 0, "three of four");
  release_all();
}
