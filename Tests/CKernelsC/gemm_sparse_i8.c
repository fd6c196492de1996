#include "check.h"

enum { DENSE = 0, RANDOM = 1, TWO_OF_FOUR = 2, BLOCKS = 3, EMPTY = 4, FEW = 5, PATTERNS = 6 };

/// Weights at the ends of their range, where sums of two saturate; zeros as the pattern has them.
static uint8_t *sparse_bytes(ptrdiff_t k, ptrdiff_t n, int pattern, bool is_signed) {
  uint8_t *b = random_bytes(k * n);
  for (ptrdiff_t i = 0; i < k; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      const uint32_t block = (uint32_t)(i * 31 + j / 16 * 17) * 2654435761u >> 20;
      const bool kept = pattern == DENSE || (pattern == RANDOM && random_bits() % 8 == 0)
        || (pattern == TWO_OF_FOUR && (i + j) % 4 < 2) || (pattern == BLOCKS && block % 5 == 0)
        || (pattern == FEW && (i + 3 * j) % 97 == 0);
      if (is_signed) b[i * n + j] ^= 0x80;
      if (!kept) b[i * n + j] = is_signed ? 0 : 128;
    }
  }
  return b;
}

/// gemm_sparse_rows_i8 when `by_rows`.
static void run(checker *c, bool by_rows, const adze_gemm_i8 *g, ptrdiff_t row_step, ptrdiff_t panel_step) {
  const adze_kernels *t = c->kernels;
  float *scratch = guarded((size_t)adze_gemm_sparse_scratch_count(t, g->k) * 4, 0xff);
  const ptrdiff_t panels = (g->n + ADZE_SPARSE_PANEL - 1) / ADZE_SPARSE_PANEL;
  for (ptrdiff_t row = 0; row < g->m; row += row_step) {
    const ptrdiff_t row_end = row + row_step < g->m ? row + row_step : g->m;
    for (ptrdiff_t panel = 0; panel < panels; panel += panel_step) {
      const ptrdiff_t panel_end = panel + panel_step < panels ? panel + panel_step : panels;
      if (by_rows) t->gemm_sparse_rows_i8(g, scratch, row, row_end, panel, panel_end);
      else t->gemm_sparse_i8(g, row, row_end, panel, panel_end);
    }
  }
}

/// Exact sums; then, with float rows, scales and bias, the bits of the dense product.
static void check_product(checker *c, bool by_rows, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form) {
  if (!takes_turn()) return;
  const bool b_signed = form & 1, a_signed = form & 2, transposed = form & 4;
  const ptrdiff_t k_stride = transposed ? 1 : n, n_stride = transposed ? k : 1, stride = n + 3;
  uint8_t *a = random_bytes(m * k), *plain = sparse_bytes(k, n, form % PATTERNS, b_signed);
  uint8_t *b = guarded((size_t)(k * n), 0);
  for (ptrdiff_t i = 0; i < k; i++) for (ptrdiff_t j = 0; j < n; j++) b[i * k_stride + j * n_stride] = plain[i * n + j];
  const adze_kernels *t = c->kernels;
  adze_pack_b_sparse_i8_fn *pack = by_rows ? t->pack_b_sparse_rows_i8 : t->pack_b_sparse_i8;
  const ptrdiff_t bytes = pack(b, b_signed, k_stride, n_stride, k, n, NULL);
  void *packed = guarded((size_t)(bytes + 7) / 8 * 8, 0xff);
  expect(c, pack(b, b_signed, k_stride, n_stride, k, n, packed) == bytes, "two sizes");
  const int32_t a_zero = a_signed ? -5 : 131, b_zero = form & 8 ? 7 : 0;
  int32_t *sums = guarded((size_t)(m * stride) * 4, 0x55);
  adze_gemm_i8 g = {.m = m, .n = n, .k = k, .a = a, .a_signed = a_signed, .a_row_stride = k, .a_column_stride = 1,
    .a_zero_point = &a_zero, .b_packed = packed, .b_signed = b_signed, .b_zero_point = form & 8 ? &b_zero : NULL,
    .c = sums, .c_row_stride = stride};
  run(c, by_rows, &g, by_rows ? 1 + form % 70 : 1 + form % 13, 1 + form % 3);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      uint32_t exact = 0;
      for (ptrdiff_t q = 0; q < k; q++) {
        const int32_t x = a_signed ? (int8_t)a[i * k + q] : a[i * k + q];
        const int32_t w = b_signed ? (int8_t)plain[q * n + j] : plain[q * n + j];
        exact += (uint32_t)((x - a_zero) * (w - b_zero));
      }
      const int32_t got = sums[i * stride + j];
      expect(c, got == (int32_t)exact, "%td x %td x %td form %d: [%td, %td] = %d, not %d", m, n, k, form, i, j, got,
        (int32_t)exact);
    }
    for (ptrdiff_t j = n; j < stride; j++) expect(c, sums[i * stride + j] == 0x55555555, "wrote past row %td", i);
  }
  const ptrdiff_t panels = (n + t->gemm_i8_panel - 1) / t->gemm_i8_panel;
  void *dense = guarded((size_t)adze_gemm_i8_packed_bytes(t, k, n) + 4, 0);
  t->pack_b_i8(b, b_signed, k_stride, n_stride, k, n, dense, 0, panels);
  float *got = guarded((size_t)(m * stride) * 4, 0x55), *wanted = guarded((size_t)(m * stride) * 4, 0x55);
  g.a = random_floats(m * k, -2, 3), g.a_source = ADZE_I8_A_F32_ROWS, g.a_signed = false, g.output = ADZE_I8_OUTPUT_F32;
  g.b_scale = random_floats(n, 0.01f, 0.1f), g.b_scale_stride = 1, g.c = got;
  g.epilogue = (adze_epilogue_f32){.column_bias = random_floats(n, -1, 1), .activation = t->leaky_relu_f32, .alpha = 0.5f};
  run(c, by_rows, &g, 1000, 1000);
  g.c = wanted, g.b_packed = dense;
  t->gemm_i8(&g, 0, m, 0, panels);
  expect(c, same_bits(got, wanted, (size_t)(m * stride) * 4), "%td x %td x %td form %d: not as dense", m, n, k, form);
  release_all();
}

static void check_all(checker *c, bool by_rows) {
  const ptrdiff_t ms[] = {0, 1, 2, 3, 7, 8, 9, 12, 13, 16, 17, 25, 31, 32, 33, 63, 64, 65};
  const ptrdiff_t ns[] = {0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 140}, ks[] = {0, 1, 3, 4, 15, 16, 17, 33, 64, 100, 257};
  int form = 0;
  for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
    for (size_t j = 0; j < sizeof ns / sizeof *ns; j++) {
      for (size_t q = 0; q < 2; q++) check_product(c, by_rows, ms[i], ns[j], ks[(i + 3 * j + 4 * q) % 11], form++);
    }
  }
  for (form = 0; form < 48; form++) check_product(c, by_rows, 5, 70, 130, form);
  // So deep that a call of gemm_sparse_i8 holds few rows, and one.
  check_product(c, by_rows, 3, 17, 30000, 1);
  check_product(c, by_rows, 2, 5, ADZE_SPARSE_I8_DEPTH, 3 + 4 * RANDOM);
}

void check_gemm_sparse_i8(checker *c) { check_all(c, false); }
void check_gemm_sparse_rows_i8(checker *c) { check_all(c, true); }

/// What exceeds the depth is refused.
static void check_depth(checker *c, adze_pack_b_sparse_i8_fn *pack) {
  const uint8_t b = 0;
  expect(c, pack(&b, true, 0, 0, ADZE_SPARSE_I8_DEPTH, 1, NULL) > 0, "as deep as may be");
  expect(c, pack(&b, true, 0, 0, ADZE_SPARSE_I8_DEPTH + 1, 1, NULL) == 0, "too deep");
}

/// A window without weights takes no memory.
void check_pack_b_sparse_i8(checker *c) {
  uint8_t *b = guarded(256 * 64, 0);
  const ptrdiff_t empty = c->kernels->pack_b_sparse_i8(b, true, 64, 1, 256, 64, NULL);
  for (ptrdiff_t i = 3; i < 256; i += 128) for (ptrdiff_t j = 0; j < 4; j++) b[(i + j) * 64] = 100;
  const ptrdiff_t some = c->kernels->pack_b_sparse_i8(b, true, 64, 1, 256, 64, NULL);
  // Equal signs: two of the four go into a step where sums saturate.
  expect(c, some > empty && some <= empty + 4 * 16 * 6 + 8, "size of eight stored weights: %td over %td", some, empty);
  check_depth(c, c->kernels->pack_b_sparse_i8);
  release_all();
}

/// Four weights take an entry, or two where sums of equal signs saturate.
void check_pack_b_sparse_rows_i8(checker *c) {
  uint8_t *b = guarded(256 * 64, 0);
  adze_pack_b_sparse_i8_fn *pack = c->kernels->pack_b_sparse_rows_i8;
  const ptrdiff_t empty = pack(b, true, 64, 1, 256, 64, NULL);
  for (ptrdiff_t i = 0; i < 256; i++) b[i * 64] = i % 2 ? 127 : 128;
  const ptrdiff_t signs = pack(b, true, 64, 1, 256, 64, NULL);
  expect(c, signs == empty + 64 * 12, "size of 256 weights of both signs: %td over %td", signs, empty);
  for (ptrdiff_t i = 0; i < 256; i++) b[i * 64] = 127;
  const ptrdiff_t same = pack(b, true, 64, 1, 256, 64, NULL);
  expect(c, same == empty + 64 * 12 || same == empty + 128 * 12, "size of 256 weights of one sign: %td", same);
  check_depth(c, pack);
  release_all();
}
