#include "check.h"

#include <float.h>

static ptrdiff_t panel_count(checker *c, ptrdiff_t n) {
  return (n + c->kernels->gemm_f32_panel - 1) / c->kernels->gemm_f32_panel;
}

static float *packed(checker *c, const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n) {
  float *to = guarded((size_t)adze_gemm_f32_packed_count(c->kernels, k, n) * 4, 0xff);
  c->kernels->pack_b_f32(b, k_stride, n_stride, k, n, to, 0, panel_count(c, n));
  return to;
}

/// A product with every element's exact value and the sum of magnitudes that bounds its error.
typedef struct {
  adze_gemm_f32 gemm;
  double *exact, *magnitude;
} problem;

static problem make_problem(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, bool a_transposed, bool b_transposed) {
  float *a = random_floats(m * k, -1, 1), *b = random_floats(k * n, -1, 1);
  const ptrdiff_t b_k = b_transposed ? 1 : n, b_n = b_transposed ? k : 1;
  problem p = {.gemm = {.m = m, .n = n, .k = k, .a = a, .c_row_stride = n + 5}};
  p.gemm.a_row_stride = a_transposed ? 1 : k;
  p.gemm.a_column_stride = a_transposed ? m : 1;
  p.gemm.b_packed = packed(c, b, b_k, b_n, k, n);
  p.gemm.c = guarded((size_t)(m * (n + 5)) * 4, 0xff);
  p.exact = guarded((size_t)(m * n) * 8, 0);
  p.magnitude = guarded((size_t)(m * n) * 8, 0);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t q = 0; q < k; q++) {
      const double ai = a[i * p.gemm.a_row_stride + q * p.gemm.a_column_stride];
      for (ptrdiff_t j = 0; j < n; j++) {
        const double term = ai * b[q * b_k + j * b_n];
        p.exact[i * n + j] += term;
        p.magnitude[i * n + j] += fabs(term);
      }
    }
  }
  return p;
}

/// The classic bound on a sum of k products in any order: k + 1 roundings of at most half an ulp of the magnitudes.
static void check_values(checker *c, const problem *p) {
  const adze_gemm_f32 *g = &p->gemm;
  for (ptrdiff_t i = 0; i < g->m; i++) {
    for (ptrdiff_t j = 0; j < g->n; j++) {
      const float got = g->c[i * g->c_row_stride + j];
      const double bound = (double)(g->k + 1) * FLT_EPSILON / 2 * p->magnitude[i * g->n + j] + 1e-37;
      expect(c, fabs(got - p->exact[i * g->n + j]) <= bound, "%td x %td x %td: [%td, %td] = %.9g, not %.9g", g->m,
        g->n, g->k, i, j, got, p->exact[i * g->n + j]);
    }
    for (ptrdiff_t j = g->n; j < g->c_row_stride; j++) {
      const uint32_t untouched = UINT32_MAX;
      expect(c, same_bits(&g->c[i * g->c_row_stride + j], &untouched, 4), "wrote past row %td", i);
    }
  }
}

/// Row by row, panel by panel and in uneven pieces: always the bits of the one call.
static void check_splits(checker *c, const problem *p) {
  adze_gemm_f32 g = p->gemm;
  const size_t bytes = (size_t)(g.m * g.c_row_stride) * 4;
  const ptrdiff_t panels = panel_count(c, g.n);
  g.c = guarded(bytes, 0xff);
  for (ptrdiff_t row_step = 1; row_step <= 13; row_step += 3) {
    for (ptrdiff_t panel_step = 1; panel_step <= 3; panel_step++) {
      memset(g.c, 0xff, bytes);
      for (ptrdiff_t row = 0; row < g.m; row += row_step) {
        const ptrdiff_t row_end = row + row_step < g.m ? row + row_step : g.m;
        for (ptrdiff_t panel = 0; panel < panels; panel += panel_step) {
          const ptrdiff_t panel_end = panel + panel_step < panels ? panel + panel_step : panels;
          c->kernels->gemm_f32(&g, row, row_end, panel, panel_end);
        }
      }
      expect(c, same_bits(g.c, p->gemm.c, bytes), "%td x %td x %td differs split by %td rows, %td panels", g.m, g.n, g.k,
        row_step, panel_step);
    }
  }
}

static void check_size(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form) {
  if (!takes_turn()) return;
  const problem p = make_problem(c, m, n, k, form & 1, form & 2);
  c->kernels->gemm_f32(&p.gemm, 0, m, 0, panel_count(c, n));
  check_values(c, &p);
  if (form == 0 && m <= 110) check_splits(c, &p);
  release_all();
}

static float apply(const adze_epilogue_f32 *e, float x, ptrdiff_t row, ptrdiff_t column) {
  if (e->column_bias) x += e->column_bias[column];
  if (e->row_bias) x += e->row_bias[row];
  if (e->clamps) x = x < e->minimum ? e->minimum : x > e->maximum ? e->maximum : x;
  if (e->activation) e->activation(&x, &x, 1, e->alpha, e->beta);
  return x;
}

/// Every epilogue gives what applying it to the plain product gives, also when k takes several blocks.
static void check_epilogues(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  problem p = make_problem(c, m, n, k, false, false);
  adze_gemm_f32 *g = &p.gemm;
  const ptrdiff_t panels = panel_count(c, n);
  const size_t bytes = (size_t)(m * g->c_row_stride) * 4;
  c->kernels->gemm_f32(g, 0, m, 0, panels);
  float *plain = guarded(bytes, 0);
  memcpy(plain, g->c, bytes);
  float *column_bias = random_floats(n, -1, 1), *row_bias = random_floats(m, -1, 1);
  for (int form = 0; form < 16; form++) {
    g->epilogue = (adze_epilogue_f32){
      .column_bias = form & 1 ? column_bias : NULL, .row_bias = form & 2 ? row_bias : NULL, .clamps = form & 4,
      .minimum = -0.5f, .maximum = 0.75f, .activation = form & 8 ? c->kernels->leaky_relu_f32 : NULL, .alpha = 0.1f};
    memset(g->c, 0xff, bytes);
    c->kernels->gemm_f32(g, 0, m, 0, panels);
    for (ptrdiff_t i = 0; i < m; i++) {
      for (ptrdiff_t j = 0; j < n; j++) {
        const float wanted = apply(&g->epilogue, plain[i * g->c_row_stride + j], i, j), got = g->c[i * g->c_row_stride + j];
        expect(c, got == wanted, "%td x %td x %td epilogue %d: %.9g, not %.9g", m, n, k, form, got, wanted);
      }
    }
  }
  release_all();
}

static void check_accumulation(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  problem p = make_problem(c, m, n, k, false, false);
  p.gemm.accumulates = true;
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      const float start = random_float(-3, 3);
      p.gemm.c[i * p.gemm.c_row_stride + j] = start;
      p.exact[i * n + j] += start;
      p.magnitude[i * n + j] += fabs(start);
    }
  }
  c->kernels->gemm_f32(&p.gemm, 0, m, 0, panel_count(c, n));
  p.gemm.k++;  // one addition more in the bound
  check_values(c, &p);
  release_all();
}

/// A NaN or an infinity in one row of A reaches that row only; Relu lets NaN through.
static void check_not_a_number(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  problem p = make_problem(c, m, n, k, false, false);
  adze_gemm_f32 *g = &p.gemm;
  g->epilogue.clamps = true;
  g->epilogue.maximum = INFINITY;
  ((float *)g->a)[(m / 2) * k + k / 2] = NAN;
  c->kernels->gemm_f32(g, 0, m, 0, panel_count(c, n));
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      expect(c, isnan(g->c[i * g->c_row_stride + j]) == (i == m / 2), "NaN of row %td seen in row %td", m / 2, i);
    }
  }
  release_all();
}

void check_gemm_f32(checker *c) {
  const ptrdiff_t rows = c->kernels->gemm_f32_rows, panel = c->kernels->gemm_f32_panel, half = panel / 2;
  const ptrdiff_t ms[] = {0, 1, 2, 3, 4, 5, rows - 1, rows, rows + 1, 2 * rows + 1};
  const ptrdiff_t ns[] = {0, 1, half - 1, half, half + 1, panel - 1, panel, panel + 1, 2 * panel + 1, 4 * panel + half};
  const ptrdiff_t ks[] = {0, 1, 2, 3, 64, 255, 256, 257, 600};
  for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
    for (size_t j = 0; j < sizeof ns / sizeof *ns; j++) {
      for (size_t q = 0; q < sizeof ks / sizeof *ks; q++) check_size(c, ms[i], ns[j], ks[q], (int)((i + j + q) % 4));
    }
  }
  for (int form = 0; form < 4; form++) {
    check_size(c, 2 * rows + 1, 2 * panel + 3, 70, form);
    check_size(c, 400, panel + 1, 300, form);
    check_size(c, 101, 3 * panel + 1, 512, form);
  }
  for (ptrdiff_t m = 1; m <= 2 * rows; m++) {
    check_size(c, m, 5 * panel + half + 1, 33, 0);
    check_epilogues(c, m, 2 * panel + half + 1, m % 2 ? 17 : 300);
    check_accumulation(c, m, panel + 3, m % 2 ? 5 : 520);
    check_not_a_number(c, m, panel + half + 3, 40);
  }
  check_epilogues(c, 5, 3, 0);
}

void check_pack_b_f32(checker *c) {
  const ptrdiff_t panel = c->kernels->gemm_f32_panel;
  const ptrdiff_t ns[] = {0, 1, panel - 1, panel, panel + 1, 2 * panel + 1}, ks[] = {0, 1, 2, 7, 8, 9, 31};
  for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
    for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
      for (int transposed = 0; transposed < 2; transposed++) {
        const ptrdiff_t n = ns[i], k = ks[j], k_stride = transposed ? 1 : n, n_stride = transposed ? k : 1;
        float *b = random_floats(n * k, -1, 1);
        const float *to = packed(c, b, k_stride, n_stride, k, n);
        for (ptrdiff_t at = 0; at < adze_gemm_f32_packed_count(c->kernels, k, n); at++) {
          const ptrdiff_t row = at / panel % k, column = at / panel / k * panel + at % panel;
          const float wanted = column < n ? b[row * k_stride + column * n_stride] : 0;
          expect(c, to[at] == wanted, "%td x %td: [%td, %td] = %g, not %g", k, n, row, column, to[at], wanted);
        }
        expect(c, true, "packed");
        release_all();
      }
    }
  }
}
