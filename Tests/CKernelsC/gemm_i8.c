#include "check.h"

static ptrdiff_t panel_count(checker *c, ptrdiff_t n) {
  return (n + c->kernels->gemm_i8_panel - 1) / c->kernels->gemm_i8_panel;
}

typedef struct {
  adze_gemm_i8 gemm;
  uint32_t *exact;  // modulo 2^32, with zero points
} problem;

enum { A_SIGNED = 1, B_SIGNED = 2, A_ZERO = 4, B_ZERO = 8, A_ZEROS = 16, B_ZEROS = 32, A_TRANSPOSED = 64, B_TRANSPOSED = 128,
  SPREAD = 256, FORMS = 8 * SPREAD };

static int32_t value(const uint8_t *x, ptrdiff_t at, bool is_signed) { return is_signed ? (int8_t)x[at] : x[at]; }

/// Weights as trained layers have them: most near the middle, few at the ends. The smaller `spread`, the fewer.
static void gather_to_middle(uint8_t *b, ptrdiff_t count, bool is_signed, int32_t spread) {
  for (ptrdiff_t i = 0; i < count; i++) {
    int32_t sum = 0;
    for (int term = 0; term < 12; term++) sum += (int32_t)(random_bits() >> 8) % (2 * spread + 1) - spread;
    if (random_bits() % 256 == 0) sum *= 5;
    sum /= 2;
    // The last two spreads: pruned weights.
    if (spread >= 36 && random_bits() % 64 >= (spread == 36 ? 4 : 12)) sum = 0;
    const int32_t w = sum < -128 ? -128 : sum > 127 ? 127 : sum;
    b[i] = (uint8_t)(is_signed ? w : w + 128);
  }
}

static int32_t *zero_points(ptrdiff_t count, bool is_signed) {
  int32_t *z = guarded((size_t)count * 4, 0);
  for (ptrdiff_t i = 0; i < count; i++) z[i] = (int32_t)(random_bits() >> 8) % 256 - (is_signed ? 128 : 0);
  return z;
}

static problem make_problem(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form) {
  uint8_t *a = random_bytes(m * k), *b = random_bytes(k * n);
  if (form >= SPREAD) gather_to_middle(b, k * n, form & B_SIGNED, form / SPREAD % 8 * 6);
  problem p = {.gemm = {.m = m, .n = n, .k = k, .a = a, .a_signed = form & A_SIGNED, .b_signed = form & B_SIGNED}};
  adze_gemm_i8 *g = &p.gemm;
  g->a_row_stride = form & A_TRANSPOSED ? 1 : k;
  g->a_column_stride = form & A_TRANSPOSED ? m : 1;
  const ptrdiff_t b_k = form & B_TRANSPOSED ? 1 : n, b_n = form & B_TRANSPOSED ? k : 1;
  if (form & A_ZERO) {
    g->a_zero_point_stride = form & A_ZEROS ? 1 : 0;
    g->a_zero_point = zero_points(form & A_ZEROS ? m : 1, g->a_signed);
  }
  if (form & B_ZERO) {
    g->b_zero_point_stride = form & B_ZEROS ? 1 : 0;
    g->b_zero_point = zero_points(form & B_ZEROS ? n : 1, g->b_signed);
  }
  void *to = guarded((size_t)adze_gemm_i8_packed_bytes(c->kernels, k, n), 0xff);
  c->kernels->pack_b_i8(b, g->b_signed, b_k, b_n, k, n, to, 0, panel_count(c, n));
  g->b_packed = to;
  g->c_row_stride = n + 3;
  p.exact = guarded((size_t)(m * n) * 4, 0);
  for (ptrdiff_t i = 0; i < m; i++) {
    const int32_t a_zero = g->a_zero_point ? g->a_zero_point[i * g->a_zero_point_stride] : 0;
    for (ptrdiff_t q = 0; q < k; q++) {
      const int32_t av = value(a, i * g->a_row_stride + q * g->a_column_stride, g->a_signed) - a_zero;
      for (ptrdiff_t j = 0; j < n; j++) {
        const int32_t b_zero = g->b_zero_point ? g->b_zero_point[j * g->b_zero_point_stride] : 0;
        p.exact[i * n + j] += (uint32_t)(av * (value(b, q * b_k + j * b_n, g->b_signed) - b_zero));
      }
    }
  }
  return p;
}

static void run(checker *c, const adze_gemm_i8 *g, ptrdiff_t row_step, ptrdiff_t panel_step) {
  const ptrdiff_t panels = panel_count(c, g->n);
  for (ptrdiff_t row = 0; row < g->m; row += row_step) {
    const ptrdiff_t row_end = row + row_step < g->m ? row + row_step : g->m;
    for (ptrdiff_t panel = 0; panel < panels; panel += panel_step) {
      c->kernels->gemm_i8(g, row, row_end, panel, panel + panel_step < panels ? panel + panel_step : panels);
    }
  }
}

static void check_sums(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, ptrdiff_t rows, ptrdiff_t panels) {
  if (!takes_turn()) return;
  problem p = make_problem(c, m, n, k, form);
  int32_t *sums = guarded((size_t)(m * (n + 3)) * 4, 0x55);
  p.gemm.c = sums;
  run(c, &p.gemm, rows, panels);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < n; j++) {
      const int32_t got = sums[i * (n + 3) + j], wanted = (int32_t)p.exact[i * n + j];
      expect(c, got == wanted, "%td x %td x %td form %d: [%td, %td] = %d, not %d", m, n, k, form, i, j, got, wanted);
    }
    for (ptrdiff_t j = n; j < n + 3; j++) expect(c, sums[i * (n + 3) + j] == 0x55555555, "wrote past row %td", i);
  }
  release_all();
}

/// What C's float arithmetic, one rounding an operation, makes of a sum.
static float scaled(const adze_gemm_i8 *g, int32_t exact, ptrdiff_t i, ptrdiff_t j) {
  const int32_t sum = exact + (g->row_offset ? g->row_offset[i] : 0) + (g->column_offset ? g->column_offset[j] : 0);
  const adze_epilogue_f32 *e = &g->epilogue;
  volatile float scale = (g->a_scale ? g->a_scale[i * g->a_scale_stride] : 1) * (g->b_scale ? g->b_scale[j * g->b_scale_stride] : 1);
  volatile float x = (float)sum * scale;
  if (e->column_bias) x = x + e->column_bias[j];
  if (e->row_bias) x = x + e->row_bias[i];
  if (e->clamps) x = x < e->minimum ? e->minimum : x > e->maximum ? e->maximum : x;
  return x;
}

static void check_output(checker *c, problem *p, adze_i8_output output) {
  adze_gemm_i8 *g = &p->gemm;
  const bool is_float = output == ADZE_I8_OUTPUT_F32, is_signed = output == ADZE_I8_OUTPUT_S8;
  const size_t size = is_float ? 4 : 1;
  uint8_t *bytes = guarded((size_t)(g->m * g->c_row_stride) * size, 0x55);
  g->output = output;
  g->c = bytes;
  g->c_zero_point = is_signed ? -3 : 117;
  c->kernels->gemm_i8(g, 0, g->m, 0, panel_count(c, g->n));
  for (ptrdiff_t i = 0; i < g->m; i++) {
    for (ptrdiff_t j = 0; j < g->n; j++) {
      const float x = scaled(g, (int32_t)p->exact[i * g->n + j], i, j);
      const ptrdiff_t at = i * g->c_row_stride + j;
      if (is_float) {
        float wanted = x, got = ((float *)bytes)[at];
        if (g->epilogue.activation) g->epilogue.activation(&wanted, &wanted, 1, g->epilogue.alpha, 0);
        expect(c, got == wanted, "float [%td, %td] = %.9g, not %.9g", i, j, got, wanted);
      } else {
        const double q = rint((double)x) + g->c_zero_point, low = is_signed ? -128 : 0;
        const int32_t wanted = (int32_t)(q < low ? low : q > low + 255 ? low + 255 : q);
        const int32_t got = is_signed ? (int8_t)bytes[at] : bytes[at];
        expect(c, got == wanted, "quantized [%td, %td] = %d, not %d", i, j, got, wanted);
      }
    }
    for (size_t at = size * (size_t)g->n; at < size * (size_t)g->c_row_stride; at++) {
      expect(c, bytes[(size_t)(i * g->c_row_stride) * size + at] == 0x55, "wrote past row %td", i);
    }
  }
}

static void check_outputs(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form) {
  if (!takes_turn()) return;
  problem p = make_problem(c, m, n, k, (form * 37) & 255);
  float *a_scale = random_floats(m, 0.001f, 0.01f), *b_scale = random_floats(n, 0.05f, 0.5f);
  float *column_bias = random_floats(n, -10, 10), *row_bias = random_floats(m, -10, 10);
  int32_t *row_offset = zero_points(m, true), *column_offset = zero_points(n, true);
  adze_gemm_i8 *g = &p.gemm;
  g->a_scale = form & 1 ? a_scale : NULL;
  g->a_scale_stride = form & 2 ? 1 : 0;
  g->b_scale = form & 4 ? b_scale : NULL;
  g->b_scale_stride = form & 8 ? 1 : 0;
  g->row_offset = form % 3 == 1 ? row_offset : NULL;
  g->column_offset = form % 3 == 2 ? column_offset : NULL;
  g->epilogue = (adze_epilogue_f32){
    .column_bias = form & 16 ? column_bias : NULL, .row_bias = form & 32 ? row_bias : NULL, .clamps = form & 64,
    .minimum = -7, .maximum = 40, .activation = form & 128 ? c->kernels->leaky_relu_f32 : NULL, .alpha = 0.25f};
  check_output(c, &p, ADZE_I8_OUTPUT_F32);
  check_output(c, &p, ADZE_I8_OUTPUT_U8);
  check_output(c, &p, ADZE_I8_OUTPUT_S8);
  release_all();
}

/// As DynamicQuantizeLinear has it.
static float range_of(const float *x, ptrdiff_t stride, ptrdiff_t count, int32_t *zero_point) {
  float low = 0, high = 0;
  for (ptrdiff_t i = 0; i < count; i++) low = fminf(low, x[i * stride]), high = fmaxf(high, x[i * stride]);
  const float scale = (high - low) / 255;
  *zero_point = 0;
  if (scale != 0) *zero_point = (int32_t)fminf(255, fmaxf(0, rintf(0 - low / scale)));
  return scale;
}

/// Float rows must give what their quantized elements give.
static void check_float_rows(checker *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, adze_i8_a source) {
  if (!takes_turn()) return;
  problem p = make_problem(c, m, n, k, form & ~(A_ZERO | A_ZEROS | A_SIGNED));
  adze_gemm_i8 *g = &p.gemm;
  const bool transposed = form & A_TRANSPOSED;
  float *x = random_floats(m * k, -3, 5), *scales = guarded((size_t)m * 4, 0), *b_scale = random_floats(n, 0.05f, 0.5f);
  float *got = guarded((size_t)(m * g->c_row_stride) * 4, 0), *wanted = guarded((size_t)(m * g->c_row_stride) * 4, 0);
  int32_t *zeros = guarded((size_t)m * 4, 0);
  uint8_t *q = guarded((size_t)(m * k), 0);
  if (k > 2) x[0] = NAN, x[k * m - 1] = INFINITY;
  for (ptrdiff_t i = 0; i < m; i++) {
    const ptrdiff_t start = transposed ? i : i * k, stride = transposed ? m : 1;
    if (i % 5 == 3) for (ptrdiff_t j = 0; j < k; j++) x[start + j * stride] = 0;
    scales[i] = 0.03f, zeros[i] = 90 + (int32_t)i % 7;
    if (source == ADZE_I8_A_F32_ROWS) {
      if (k > 2 && i == m - 1) x[k * m - 1] = 1;
      scales[i] = range_of(x + start, stride, k, &zeros[i]);
    }
    for (ptrdiff_t j = 0; j < k; j++) {
      const float divisor = scales[i] == 0 ? 1 : scales[i], v = x[start + j * stride];
      const float rounded = isnan(v) ? -1000 : rintf(fminf(1e6f, v / divisor)) + (float)zeros[i];
      q[start + j * stride] = (uint8_t)(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
    }
  }
  g->output = ADZE_I8_OUTPUT_F32;
  g->b_scale = b_scale, g->b_scale_stride = 1;
  g->a_scale = scales, g->a_scale_stride = 1, g->a_zero_point = zeros, g->a_zero_point_stride = 1;
  g->a = q, g->c = wanted;
  run(c, g, 1000, 1000);
  g->a = x, g->a_source = source, g->c = got;
  if (source == ADZE_I8_A_F32_ROWS) g->a_scale = NULL, g->a_zero_point = NULL;
  run(c, g, 1 + form % 9, 2);
  const size_t bytes = (size_t)(m * g->c_row_stride) * 4;
  expect(c, same_bits(got, wanted, bytes), "%td x %td x %td form %d source %d: float rows differ", m, n, k, form, source);
  release_all();
}

void check_gemm_i8(checker *c) {
  const ptrdiff_t rows = c->kernels->gemm_i8_rows, panel = c->kernels->gemm_i8_panel, half = panel / 2;
  const ptrdiff_t ms[] = {0, 1, 2, 3, 4, 5, rows - 1, rows, rows + 1, 2 * rows + 1, 60};
  const ptrdiff_t ns[] = {0, 1, half - 1, half, half + 1, panel - 1, panel, panel + 1, 2 * panel + 1, 4 * panel + half};
  const ptrdiff_t ks[] = {0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 257};
  int form = 0;
  for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
    for (size_t j = 0; j < sizeof ns / sizeof *ns; j++) {
      for (size_t q = 0; q < sizeof ks / sizeof *ks; q++) {
        form = (form + 41 + SPREAD) % FORMS;
        check_sums(c, ms[i], ns[j], ks[q], form, 1000, 1000);
        check_sums(c, ms[i], ns[j], ks[q], form, 1 + (ptrdiff_t)i, 1 + (ptrdiff_t)j % 3);
      }
    }
  }
  for (form = 0; form < 256; form++) {
    check_sums(c, rows + 2, panel + 3, 19, form, 1000, 1000);
    check_outputs(c, 1 + form % (2 * rows), 1 + form % (2 * panel), 1 + form % 70, form);
  }
  for (form = 0; form < FORMS; form += 27) check_sums(c, 3 * rows + form % 50, 3 * panel, 260, form, 1000, 1000);
  for (form = 0; form < 256; form++) {
    const ptrdiff_t m = 1 + form % (2 * rows), n = 1 + form % (2 * panel), k = 1 + form * 11 % 600;
    check_float_rows(c, m, n, k, form, ADZE_I8_A_F32);
    check_float_rows(c, m, n, k, form, ADZE_I8_A_F32_ROWS);
  }
  check_float_rows(c, 3, panel + 1, 9001, 0, ADZE_I8_A_F32_ROWS);
  // Deeper than the rows that a call converts at a time.
  for (form = 0; form < 16; form++) {
    const ptrdiff_t deep = form < 8 ? 9000 : 70001;
    check_sums(c, form % 2 ? 1 : rows + 1, panel + 1, deep, form, 1000, 1000);
    if (form < 8) check_sums(c, rows + 1, panel + 1, form < 4 ? 4090 : 8190, form * SPREAD, 1000, 1000);
  }
}

void check_pack_b_i8(checker *c) {
  // The layout is the kernels' own; what must hold is that packing in pieces is packing at once.
  const ptrdiff_t panel = c->kernels->gemm_i8_panel, n = 3 * panel + 1, k = 37;
  uint8_t *b = random_bytes(n * k);
  const size_t bytes = (size_t)adze_gemm_i8_packed_bytes(c->kernels, k, n);
  for (int form = 0; form < 4; form++) {
    const ptrdiff_t k_stride = form & 1 ? 1 : n, n_stride = form & 1 ? k : 1;
    uint8_t *whole = guarded(bytes, 0xff), *pieces = guarded(bytes, 0xff);
    c->kernels->pack_b_i8(b, form & 2, k_stride, n_stride, k, n, whole, 0, 4);
    for (ptrdiff_t i = 0; i < 4; i++) c->kernels->pack_b_i8(b, form & 2, k_stride, n_stride, k, n, pieces, i, i + 1);
    expect(c, same_bits(whole, pieces, bytes), "packing in pieces differs");
    int32_t sum = 0, first;
    memcpy(&first, whole, sizeof first);
    for (ptrdiff_t i = 0; i < k; i++) sum += form & 2 ? (int8_t)b[i * k_stride] : b[i * k_stride] - 128;
    expect(c, first == sum, "column sum %d, not %d", first, sum);
  }
}
