#include "check.h"

static void check_sum(checker *c, adze_reduce_f32_fn *kernel, bool squares) {
  FOR_SIZES(n) {
    float *x = random_floats(n, -3, 5);
    double exact = 0, magnitude = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
      const double term = squares ? (double)x[i] * x[i] : x[i];
      exact += term;
      magnitude += fabs(term);
    }
    const float got = kernel(x, n);
    // n additions, each rounding at most half an ulp of what is summed so far.
    expect(c, fabs(got - exact) <= 6e-8 * (double)(n + 1) * magnitude, "%td: %.9g, not %.9g", n, got, exact);
    for (ptrdiff_t at = 0; at < n; at += 1 + n / 7) {
      const float kept = x[at];
      x[at] = NAN;
      expect(c, isnan(kernel(x, n)), "%td: NaN at %td is lost", n, at);
      x[at] = INFINITY;
      expect(c, kernel(x, n) == INFINITY, "%td: infinity at %td is lost", n, at);
      x[at] = kept;
    }
    release_all();
  }
}

void check_sum_f32(checker *c) { check_sum(c, c->kernels->sum_f32, false); }
void check_sum_of_squares_f32(checker *c) { check_sum(c, c->kernels->sum_of_squares_f32, true); }

static void check_extreme(checker *c, adze_reduce_f32_fn *kernel, float sign) {
  FOR_SIZES(n) {
    float *x = random_floats(n, -5, -3);
    for (ptrdiff_t i = 0; i < n; i++) x[i] *= sign;
    expect(c, n > 0 || kernel(x, 0) == -sign * INFINITY, "empty");
    for (ptrdiff_t at = 0; at < n; at++) {
      const float kept = x[at];
      x[at] = sign * -2;
      expect(c, kernel(x, n) == sign * -2, "%td: extreme at %td is lost", n, at);
      x[at] = NAN;
      expect(c, isnan(kernel(x, n)), "%td: NaN at %td is lost", n, at);
      x[at] = kept;
    }
    release_all();
  }
}

void check_maximum_f32(checker *c) { check_extreme(c, c->kernels->maximum_f32, 1); }
void check_minimum_f32(checker *c) { check_extreme(c, c->kernels->minimum_f32, -1); }

void check_min_max_f32(checker *c) {
  FOR_SIZES(n) {
    float *x = random_floats(n, -1, 1), low, high;
    c->kernels->min_max_f32(x, n, &low, &high);
    expect(c, n > 0 || (low == INFINITY && high == -INFINITY), "empty gives %g %g", low, high);
    for (ptrdiff_t at = 0; at < n; at++) {
      const float kept = x[at], other = x[(at + 1) % n];
      x[at] = 7;
      x[(at + 1) % n] = n > 1 ? NAN : 7;
      c->kernels->min_max_f32(x, n, &low, &high);
      expect(c, high == 7 && low == (n <= 2 ? 7 : low) && low >= -1, "%td: %g %g", n, low, high);
      x[at] = -7;
      c->kernels->min_max_f32(x, n, &low, &high);
      expect(c, n == 1 || low == -7, "%td: minimum %g", n, low);
      x[at] = kept;
      if (n > 1) x[(at + 1) % n] = other;
    }
    release_all();
  }
  float *x = random_floats(9000, -1, 1), low, high;
  x[8999] = 3;
  x[4100] = -3;
  c->kernels->min_max_f32(x, 9000, &low, &high);
  expect(c, low == -3 && high == 3, "9000: %g %g", low, high);
}

static void check_rows(checker *c, adze_row_f32_fn *kernel, bool logarithm, double ulps, double absolute) {
  FOR_SIZES(n) {
    for (int shift = 0; shift < 3; shift++) {
      const float low = shift == 0 ? -4 : shift == 1 ? 300 : -1e30f, high = shift == 0 ? 4 : shift == 1 ? 320 : -0.9e30f;
      float *x = random_floats(n, low, high), *y = guarded((size_t)n * 4, 0xff);
      double largest = -INFINITY, sum = 0;
      for (ptrdiff_t i = 0; i < n; i++) largest = x[i] > largest ? x[i] : largest;
      for (ptrdiff_t i = 0; i < n; i++) sum += exp(x[i] - largest);
      kernel(x, y, n);
      for (ptrdiff_t i = 0; i < n; i++) {
        const double exact = logarithm ? x[i] - largest - log(sum) : exp(x[i] - largest) / sum;
        const double error = ulp_error(y[i], exact);
        const bool close = fabs(y[i] - exact) <= absolute;
        if (!close && error > c->result.worst_ulp) c->result.worst_ulp = error;
        expect(c, close || error <= ulps, "%td: f(%g) = %.9g, not %.9g", n, x[i], y[i], exact);
      }
      kernel(x, x, n);
      expect(c, same_bits(x, y, (size_t)n * 4), "%td in place", n);
      if (n > 0) {
        x[n / 2] = NAN;
        kernel(x, y, n);
        expect(c, isnan(y[0]) && isnan(y[n - 1]), "%td: NaN is lost", n);
      }
      release_all();
    }
  }
}

void check_softmax_f32(checker *c) { check_rows(c, c->kernels->softmax_f32, false, 8, 1e-37); }
void check_log_softmax_f32(checker *c) { check_rows(c, c->kernels->log_softmax_f32, true, 4, 2e-6); }

/// A row in one part and in two, with every kind of mask, against the whole softmax in double precision.
void check_softmax_part_f32(checker *c) {
  FOR_SIZES(n) {
    for (int form = 0; form < 9; form++) {
      const ptrdiff_t first = form / 3 == 0 ? n : form / 3 == 1 ? n / 2 : 0, step = form % 3 == 1;
      float *x = random_floats(n, -30, 30), *mask = form % 3 ? random_floats(step ? n : 1, -20, 5) : NULL;
      if (step && n > 2) mask[n / 3] = -INFINITY;
      double *t = calloc((size_t)n + 1, sizeof *t), top = -INFINITY, total = 0;
      for (ptrdiff_t i = 0; i < n; i++) {
        t[i] = (double)(x[i] * 0.37f) + (mask ? mask[i * step] : 0);
        top = t[i] > top ? t[i] : top;
      }
      for (ptrdiff_t i = 0; i < n; i++) total += exp(t[i] - top);
      float maximum = -INFINITY, sum = 0;
      float factor = c->kernels->softmax_part_f32(x, first, 0.37f, mask, step, &maximum, &sum);
      expect(c, first == 0 ? factor == 1 : factor == 0, "%td: factor %g at first", n, factor);
      factor = c->kernels->softmax_part_f32(
        x + first, n - first, 0.37f, step ? mask + first : mask, step, &maximum, &sum);
      expect(c, n == 0 || fabs(maximum - top) <= 4e-6, "%td: maximum %g, not %g", n, maximum, top);
      expect(c, fabs(sum - total) <= 2e-5 * total, "%td: sum %g, not %g", n, sum, total);
      for (ptrdiff_t i = 0; i < n; i++) {
        const double exact = exp(t[i] - top) / total, got = (i < first ? x[i] * factor : x[i]) / (double)sum;
        expect(c, fabs(got - exact) <= 3e-5 * exact + 1e-36, "%td, form %d: %g, not %g", n, form, got, exact);
      }
      free(t);
      release_all();
    }
    // Rows of -inf only, which a later part may end, and NaN, which nothing ends.
    float *x = guarded((size_t)n * 4, 0), maximum = -INFINITY, sum = 0;
    for (ptrdiff_t i = 0; i < n; i++) x[i] = -INFINITY;
    float factor = c->kernels->softmax_part_f32(x, n, 1, NULL, 0, &maximum, &sum);
    expect(c, factor == 1 && maximum == -INFINITY && sum < 1e-37f, "%td: %g %g %g", n, factor, maximum, sum);
    for (ptrdiff_t i = 0; i < n; i++) expect(c, x[i] < 1e-37f, "%td: %g where all is masked", n, x[i]);
    if (n > 0) {
      x[n / 2] = NAN;
      c->kernels->softmax_part_f32(x, n, 1, NULL, 0, &maximum, &sum);
      expect(c, isnan(maximum) && isnan(sum), "%td: NaN is lost", n);
    }
    release_all();
  }
}

void check_layer_norm_f32(checker *c) {
  FOR_SIZES(n) {
    for (int form = 0; form < 4; form++) {
      float *x = random_floats(n, 2, 6), *y = guarded((size_t)n * 4, 0xff), mean = 0, inverse = 0;
      float *scale = form & 1 ? random_floats(n, -2, 2) : NULL, *bias = form & 2 ? random_floats(n, -1, 1) : NULL;
      double exact_mean = 0, variance = 0;
      for (ptrdiff_t i = 0; i < n; i++) exact_mean += x[i] / (double)n;
      for (ptrdiff_t i = 0; i < n; i++) variance += (x[i] - exact_mean) * (x[i] - exact_mean) / (double)n;
      const double exact_inverse = 1 / sqrt(variance + 1e-5);
      c->kernels->layer_norm_f32(x, scale, bias, y, n, 1e-5f, &mean, &inverse);
      if (n > 0) {
        expect(c, fabs(mean - exact_mean) <= 2e-6, "%td: mean %g, not %g", n, mean, exact_mean);
        expect(c, fabs(inverse / exact_inverse - 1) <= 4e-5, "%td: 1/sigma %g, not %g", n, inverse, exact_inverse);
      }
      for (ptrdiff_t i = 0; i < n; i++) {
        const double unit = (x[i] - exact_mean) * exact_inverse;
        const double exact = unit * (scale ? scale[i] : 1) + (bias ? bias[i] : 0);
        expect(c, fabs(y[i] - exact) <= (n < 4 ? 5e-4 : 1e-5), "%td: %.9g, not %.9g", n, y[i], exact);
      }
      c->kernels->layer_norm_f32(x, scale, bias, x, n, 1e-5f, NULL, NULL);
      expect(c, same_bits(x, y, (size_t)n * 4), "%td in place", n);
      release_all();
    }
  }
}
