#include "check.h"

static double add(double a, double b) { return a + b; }
static double sub(double a, double b) { return a - b; }
static double mul(double a, double b) { return a * b; }
static double divide(double a, double b) { return a / b; }
static double lesser(double a, double b) { return isnan(a) || isnan(b) ? NAN : a < b ? a : b; }
static double greater(double a, double b) { return isnan(a) || isnan(b) ? NAN : a > b ? a : b; }

static const float specials[] = {0.0f, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 1e-42f, 3.4e38f, -3.4e38f, 0.1f};
enum { SPECIALS = sizeof specials / sizeof *specials };

/// Every pair of special values; results are exact, so they are compared with the rounded double.
static void check_specials(checker *c, adze_binary_f32_fn *kernel, double (*exact)(double, double)) {
  for (int i = 0; i < SPECIALS; i++) {
    float y[SPECIALS];
    kernel(1, SPECIALS, &specials[i], 0, 0, specials, 0, 1, y, 0);
    for (int j = 0; j < SPECIALS; j++) {
      const float wanted = (float)exact(specials[i], specials[j]);
      expect(c, ulp_error(y[j], wanted) == 0, "f(%g, %g) = %g, not %g", specials[i], specials[j], y[j], wanted);
    }
  }
}

static void check_form(
  checker *c, adze_binary_f32_fn *kernel, double (*exact)(double, double), ptrdiff_t rows, ptrdiff_t columns,
  ptrdiff_t a_row, ptrdiff_t a_step, ptrdiff_t b_row, ptrdiff_t b_step, int in_place) {
  const ptrdiff_t span = rows * (columns + 3) + 1;
  float *a = random_floats(span, -4, 4), *b = random_floats(span, -4, 4);
  float *wanted = guarded((size_t)span * 4, 0), *y = in_place == 1 ? a : in_place == 2 ? b : random_floats(span, 0, 1);
  memcpy(wanted, y, (size_t)span * 4);
  const ptrdiff_t y_row = in_place == 1 ? a_row : in_place == 2 ? b_row : columns + 3;
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t i = 0; i < columns; i++) {
      wanted[r * y_row + i] = (float)exact(a[r * a_row + i * a_step], b[r * b_row + i * b_step]);
    }
  }
  kernel(rows, columns, a, a_row, a_step, b, b_row, b_step, y, y_row);
  expect(c, same_bits(y, wanted, (size_t)span * 4), "%td x %td steps %td %td rows %td %td in place %d", rows, columns,
    a_step, b_step, a_row, b_row, in_place);
  release_all();
}

static void check_binary(checker *c, adze_binary_f32_fn *kernel, double (*exact)(double, double)) {
  check_specials(c, kernel, exact);
  FOR_SIZES(n) {
    for (ptrdiff_t rows = 0; rows <= 3; rows++) {
      const ptrdiff_t stride = n + 3;
      check_form(c, kernel, exact, rows, n, stride, 1, stride, 1, 0);
      check_form(c, kernel, exact, rows, n, stride, 1, 0, 1, 0);
      check_form(c, kernel, exact, rows, n, 0, 1, stride, 1, 0);
      check_form(c, kernel, exact, rows, n, stride, 1, 1, 0, 0);
      check_form(c, kernel, exact, rows, n, 0, 0, stride, 1, 0);
      check_form(c, kernel, exact, rows, n, 0, 0, 1, 0, 0);
      check_form(c, kernel, exact, rows, n, stride, 1, stride, 1, 1);
      check_form(c, kernel, exact, rows, n, stride, 1, stride, 1, 2);
      check_form(c, kernel, exact, rows, n, stride, 1, 0, 0, 1);
    }
  }
}

void check_add_f32(checker *c) { check_binary(c, c->kernels->add_f32, add); }
void check_sub_f32(checker *c) { check_binary(c, c->kernels->sub_f32, sub); }
void check_mul_f32(checker *c) { check_binary(c, c->kernels->mul_f32, mul); }
void check_div_f32(checker *c) { check_binary(c, c->kernels->div_f32, divide); }
void check_min_f32(checker *c) { check_binary(c, c->kernels->min_f32, lesser); }
void check_max_f32(checker *c) { check_binary(c, c->kernels->max_f32, greater); }
