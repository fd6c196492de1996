#include "check.h"

typedef struct {
  adze_gemm_block gemm;
  ptrdiff_t blocks;
  int32_t *q;  // [k][n], zero point taken off
  float *scales;
  float *got;
} problem;

static ptrdiff_t panel_count(checker *c, ptrdiff_t n) {
  return (n + c->kernels->gemm_f32_panel - 1) / c->kernels->gemm_f32_panel;
}

static int32_t field(const uint8_t *bytes, ptrdiff_t at, int32_t bits) {
  int32_t value = 0;
  for (int32_t b = 0; b < bits; b++) value |= (bytes[(at * bits + b) / 8] >> (at * bits + b) % 8 & 1) << b;
  return value;
}

static problem make_problem(
  checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int32_t bits, int32_t block, bool zeros, bool epilogue) {
  problem p = {.gemm = {.m = m, .n = n, .k = k, .bits = bits, .block = block, .has_zero_points = zeros}};
  adze_gemm_block *g = &p.gemm;
  const ptrdiff_t blocks = (k + block - 1) / block, row_bytes = blocks * block * bits / 8;
  const ptrdiff_t zero_bytes = (blocks * bits + 7) / 8;
  uint8_t *bytes = random_bytes(n * row_bytes), *zero_points = zeros ? random_bytes(n * zero_bytes) : NULL;
  for (ptrdiff_t i = 0; i < n * row_bytes; i += 2) bytes[i] = (uint8_t)(random_bits() >> 9);
  p.blocks = blocks;
  p.scales = random_floats(n * blocks, 0.01f, 0.1f);
  p.q = guarded((size_t)(n * k) * 4, 0);
  for (ptrdiff_t i = 0; i < k; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      const int32_t zero = zeros ? field(zero_points + j * zero_bytes, i / block, bits) : 1 << (bits - 1);
      p.q[i * n + j] = field(bytes + j * row_bytes, i, bits) - zero;
    }
  }
  float *a = guarded((size_t)(m * (k + 1)) * 4, 0);
  for (ptrdiff_t i = 0; i < m * (k + 1); i++) a[i] = random_float(-1, 1);
  g->a = a;
  g->a_row_stride = k + 1;
  const size_t size = (size_t)adze_gemm_block_packed_bytes(c->kernels, k, n, bits, block);
  void *packed = guarded(size, 0xff);
  c->kernels->pack_b_block(g, bytes, p.scales, zero_points, packed, 0, panel_count(c, n));
  g->b_packed = packed;
  g->c_row_stride = n + 3;
  p.got = guarded((size_t)(m * (n + 3)) * 4, 0x55);
  g->c = p.got;
  if (epilogue) {
    g->epilogue = (adze_epilogue_f32){.column_bias = random_floats(n, -1, 1), .row_bias = random_floats(m, -1, 1),
      .clamps = true, .minimum = -1, .maximum = 2, .activation = c->kernels->leaky_relu_f32, .alpha = 0.5f};
  }
  return p;
}

static void run(problem *p, adze_gemm_block_fn *kernel, ptrdiff_t panels, ptrdiff_t row_step, ptrdiff_t panel_step) {
  for (ptrdiff_t row = 0; row < p->gemm.m; row += row_step) {
    const ptrdiff_t row_end = row + row_step < p->gemm.m ? row + row_step : p->gemm.m;
    for (ptrdiff_t panel = 0; panel < panels; panel += panel_step) {
      kernel(&p->gemm, row, row_end, panel, panel + panel_step < panels ? panel + panel_step : panels);
    }
  }
}

static float finished(const problem *p, double x, ptrdiff_t i, ptrdiff_t j) {
  const adze_epilogue_f32 *e = &p->gemm.epilogue;
  if (!e->column_bias) return (float)x;
  volatile float y = (float)x;
  y = y + e->column_bias[j];
  y = y + e->row_bias[i];
  y = y < e->minimum ? e->minimum : y > e->maximum ? e->maximum : y;
  if (y < 0) y = y * e->alpha;
  return y;
}

static void check_row_ends(checker *c, const problem *p) {
  const adze_gemm_block *g = &p->gemm;
  for (ptrdiff_t i = 0; i < g->m; i++) {
    for (ptrdiff_t j = g->n; j < g->n + 3; j++) {
      int32_t bits;
      memcpy(&bits, &p->got[i * g->c_row_stride + j], sizeof bits);
      expect(c, bits == 0x55555555, "wrote past row %td", i);
    }
  }
}

/// Within (k + blocks + 3) half units of Σ|a||w|, and the same bits for every split.
static void check_float(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int32_t bits, int32_t block, int form) {
  if (!takes_turn()) return;
  problem p = make_problem(c, m, n, k, bits, block, form & 1, form & 2);
  const adze_gemm_block *g = &p.gemm;
  const ptrdiff_t panels = panel_count(c, n);
  run(&p, c->kernels->gemm_block_f32, panels, 1000, 1000);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      double sum = 0, magnitude = 0;
      for (ptrdiff_t q = 0; q < k; q++) {
        const double term = (double)g->a[i * g->a_row_stride + q] * p.q[q * n + j] * p.scales[j * p.blocks + q / block];
        sum += term;
        magnitude += fabs(term);
      }
      const double bound = (double)(k + p.blocks + 3) * (magnitude + 3) * 0x1p-24;
      const float wanted = finished(&p, sum, i, j), got = p.got[i * g->c_row_stride + j];
      expect(c, fabs((double)got - wanted) <= bound, "%td x %td x %td, %d bits of %d, form %d: [%td, %td] = %.9g, not %.9g", m,
        n, k, bits, block, form, i, j, got, wanted);
    }
  }
  check_row_ends(c, &p);
  float *whole = guarded((size_t)(m * g->c_row_stride) * 4, 0);
  memcpy(whole, p.got, (size_t)(m * g->c_row_stride) * 4);
  run(&p, c->kernels->gemm_block_f32, panels, 1 + form % 7, 1 + form % 3);
  expect(c, same_bits(whole, p.got, (size_t)(m * g->c_row_stride) * 4), "%td x %td x %td: splits differ", m, n, k);
  release_all();
}

/// What the contract says, one rounding an operation.
static float integer_product(const problem *p, ptrdiff_t i, ptrdiff_t j) {
  const adze_gemm_block *g = &p->gemm;
  volatile float total = 0;
  for (ptrdiff_t b = 0; b < p->blocks; b++) {
    const ptrdiff_t k = b * g->block, end = k + g->block < g->k ? k + g->block : g->k;
    const float *a = g->a + i * g->a_row_stride;
    float largest = 0;
    bool finite = true;
    for (ptrdiff_t q = k; q < end; q++) largest = fmaxf(largest, fabsf(a[q])), finite = finite && isfinite(a[q]);
    if (!finite) return NAN;
    const float scale = largest / 127;
    int32_t sum = 0;
    for (ptrdiff_t q = k; q < end; q++) {
      const float rounded = fminf(127, fmaxf(-127, a[q] / (scale > 0 ? scale : 1)));
      sum += (int32_t)rintf(rounded) * p->q[q * g->n + j];
    }
    const volatile float both = scale * p->scales[j * p->blocks + b];
    const volatile float term = (float)sum * both;
    total = total + term;
  }
  return total;
}

static void check_integer(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int32_t bits, int32_t block, int form) {
  if (!takes_turn()) return;
  problem p = make_problem(c, m, n, k, bits, block, form & 1, form & 2);
  const adze_gemm_block *g = &p.gemm;
  float *a = (float *)g->a;
  if (form & 4 && m > 2 && k > 3) a[3] = NAN, a[2 * (k + 1)] = INFINITY;
  if (m > 1) for (ptrdiff_t q = 0; q < k; q += 1 + (form & 1)) a[k + 1 + q] = 0;
  run(&p, c->kernels->gemm_block_i8, panel_count(c, n), form & 8 ? 1 + form % 7 : 1000, form & 8 ? 1 + form % 3 : 1000);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      const float exact = integer_product(&p, i, j), got = p.got[i * g->c_row_stride + j];
      if (isnan(exact)) {
        expect(c, g->epilogue.clamps || isnan(got), "NaN was lost");
        continue;
      }
      const float wanted = finished(&p, exact, i, j);
      expect(c, got == wanted, "%td x %td x %td, %d bits of %d, form %d: [%td, %td] = %.9g, not %.9g", m, n, k, bits, block,
        form, i, j, got, wanted);
    }
  }
  check_row_ends(c, &p);
  release_all();
}

typedef void check_one(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int32_t bits, int32_t block, int form);
static void check_all(checker *c, check_one *check) {
  const ptrdiff_t rows = c->kernels->gemm_f32_rows, panel = c->kernels->gemm_f32_panel, half = panel / 2;
  const ptrdiff_t ms[] = {0, 1, 2, 3, 4, 5, rows - 1, rows, rows + 1, 2 * rows + 1};
  const ptrdiff_t ns[] = {0, 1, half, panel - 1, panel, panel + 1, 4 * panel, 5 * panel + half + 1};
  const ptrdiff_t ks[] = {0, 1, 15, 16, 17, 33, 64, 100};
  int form = 0;
  for (int32_t bits = 2; bits <= 8; bits *= 2) {
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
      for (size_t j = 0; j < sizeof ns / sizeof *ns; j++) {
        form++;
        check(c, ms[i], ns[j], ks[(i + j * 3) % 8], bits, 16 << (form % 5), form);
      }
    }
    for (size_t q = 0; q < sizeof ks / sizeof *ks; q++) check(c, rows + 2, panel + 3, ks[q], bits, 32, ++form);
    for (int32_t block = 16; block <= 256; block *= 2) {
      for (ptrdiff_t m = 1; m <= 70; m += 23) check(c, m, panel + 5, 700, bits, block, ++form);
    }
    check(c, 2, panel + 1, 9000, bits, 32, ++form);
    check(c, 180, 3, 40, bits, 16, ++form);
  }
}

void check_gemm_block_f32(checker *c) { check_all(c, check_float); }
void check_gemm_block_i8(checker *c) { check_all(c, check_integer); }

void check_pack_b_block(checker *c) {
  // The layout is the kernels' own; what must hold is that packing in pieces is packing at once.
  const ptrdiff_t n = 3 * c->kernels->gemm_f32_panel + 1, k = 70;
  for (int32_t bits = 2; bits <= 8; bits *= 2) {
    const adze_gemm_block sizes = {.n = n, .k = k, .bits = bits, .block = 32};
    const size_t bytes = (size_t)adze_gemm_block_packed_bytes(c->kernels, k, n, bits, 32);
    uint8_t *q = random_bytes(n * 3 * 4 * bits), *zero_points = random_bytes(n * ((3 * bits + 7) / 8));
    float *scales = random_floats(n * 3, 0, 1);
    uint8_t *whole = guarded(bytes, 0), *pieces = guarded(bytes, 0xff);
    c->kernels->pack_b_block(&sizes, q, scales, zero_points, whole, 0, 4);
    for (ptrdiff_t i = 0; i < 4; i++) c->kernels->pack_b_block(&sizes, q, scales, zero_points, pieces, i, i + 1);
    expect(c, same_bits(whole, pieces, bytes), "packing %d bits in pieces differs", bits);
    release_all();
  }
}
