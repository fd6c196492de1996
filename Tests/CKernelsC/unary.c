#include "check.h"

typedef double exact_fn(double x, double alpha, double beta);

/// A kernel's bound: |error| <= ulps * ulp(exact) + absolute.
typedef struct {
  exact_fn *exact;
  float low, high;  // the range that random inputs come from, besides all magnitudes
  float alpha, beta;
  double ulps, absolute;
} unary_case;

static const float specials[] = {0.0f,  -0.0f, 1,     -1,    INFINITY, -INFINITY, NAN,    1e-45f, -1e-45f, 1e-38f, -1e-38f,
                                 1e-6f, 0.5f,  -0.5f, 0.625f, 2.5f,    -2.5f,     3.5f,   88.72f, 88.73f,  89,     100,
                                 -87.3f, -88,  -103,  -104,  -105,     -200,      1e10f,  -1e10f, 3.4e38f, -3.4e38f,
                                 0.927734375f, 0.92773443f, 4, 9, -9, 20, -20};
enum { SPECIALS = sizeof specials / sizeof *specials, SAMPLES = 40000 };

static void check_values(checker *c, adze_unary_f32_fn *kernel, const unary_case *u) {
  const ptrdiff_t count = SPECIALS + SAMPLES / sample_step;
  float *x = guarded(count * sizeof *x, 0), *y = guarded(count * sizeof *y, 0xff);
  memcpy(x, specials, sizeof specials);
  for (ptrdiff_t i = SPECIALS; i < count; i++) {
    if (i % 4) {
      x[i] = random_float(u->low, u->high);
    } else {
      const uint32_t bits = random_bits();
      memcpy(&x[i], &bits, sizeof bits);
    }
  }
  kernel(x, y, count, u->alpha, u->beta);
  for (ptrdiff_t i = 0; i < count; i++) {
    const double exact = u->exact(x[i], u->alpha, u->beta), error = ulp_error(y[i], exact);
    const bool close = fabs(y[i] - exact) <= u->absolute;
    if (!close && error > c->result.worst_ulp) c->result.worst_ulp = error;
    expect(c, close || error <= u->ulps, "f(%.9g) = %.9g, not %.9g: %.2f ulp", x[i], y[i], exact, error);
  }
  release_all();
}

/// Sizes around the vectors: every result has the bits that the long call gave, out of place and in place.
static void check_sizes(checker *c, adze_unary_f32_fn *kernel, const unary_case *u) {
  float *all = random_floats(1000, u->low, u->high), *wanted = guarded(4000, 0);
  kernel(all, wanted, 1000, u->alpha, u->beta);
  FOR_SIZES(n) {
    const size_t bytes = (size_t)n * 4;
    float *x = guarded(bytes, 0), *y = guarded(bytes, 0xff);
    memcpy(x, all + (1000 - n), bytes);
    kernel(x, y, n, u->alpha, u->beta);
    expect(c, same_bits(y, wanted + (1000 - n), bytes), "size %td differs by position", n);
    kernel(x, x, n, u->alpha, u->beta);
    expect(c, same_bits(x, wanted + (1000 - n), bytes), "size %td in place", n);
  }
  release_all();
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double clamp(double x, double low, double high) { return isnan(x) ? x : x < low ? low : x > high ? high : x; }

#define CHECK(slot, low, high, alpha_value, beta_value, ulps, absolute, expression)                  \
  static double exact_##slot(double x, double alpha, double beta) {                                  \
    (void)alpha, (void)beta;                                                                         \
    return expression;                                                                               \
  }                                                                                                  \
  void check_##slot(checker *c) {                                                                    \
    const unary_case u = {exact_##slot, low, high, alpha_value, beta_value, ulps, absolute};         \
    check_values(c, c->kernels->slot, &u);                                                           \
    check_sizes(c, c->kernels->slot, &u);                                                            \
  }

// Correctly rounded, or one rounding for each operation.
CHECK(relu_f32, -4, 4, 0, 0, 0, 0, isnan(x) ? x : x > 0 ? x : 0)
CHECK(clip_f32, -4, 4, -1.5f, 2.25f, 0, 0, clamp(x, alpha, beta))
CHECK(leaky_relu_f32, -4, 4, 0.01f, 0, 0.5, 0, x < 0 ? alpha * x : x)
CHECK(hard_sigmoid_f32, -4, 4, 0.2f, 0.5f, 1.5, 6e-8, clamp(alpha * x + beta, 0, 1))
CHECK(hard_swish_f32, -4, 4, 0, 0, 4, 4e-7, x == -INFINITY ? NAN : x * clamp(x / 6 + 0.5, 0, 1))
CHECK(abs_f32, -4, 4, 0, 0, 0, 0, fabs(x))
CHECK(neg_f32, -4, 4, 0, 0, 0, 0, -x)
CHECK(affine_f32, -4, 4, 1.7f, -0.3f, 1.5, 2.5e-7, alpha * x + beta)
CHECK(sqrt_f32, 0, 100, 0, 0, 0.5, 0, sqrt(x))
CHECK(rsqrt_f32, 0, 100, 0, 0, 1.5, 0, 1 / sqrt(x))
CHECK(reciprocal_f32, -4, 4, 0, 0, 0.5, 0, 1 / x)
CHECK(floor_f32, -40, 40, 0, 0, 0, 0, floor(x))
CHECK(ceil_f32, -40, 40, 0, 0, 0, 0, ceil(x))
CHECK(round_f32, -40, 40, 0, 0, 0, 0, rint(x))
// Approximations: README.md states these bounds.
CHECK(exp_f32, -104, 89, 0, 0, 2, 0, exp(x))
CHECK(log_f32, 0, 100, 0, 0, 2, 0, log(x))
CHECK(erf_f32, -4, 4, 0, 0, 2, 0, erf(x))
CHECK(tanh_f32, -10, 10, 0, 0, 3, 0, tanh(x))
CHECK(sigmoid_f32, -20, 20, 0, 0, 3, 0, sigmoid(x))
CHECK(silu_f32, -20, 20, 1, 0, 4, 1e-42, x * sigmoid(alpha *x))
CHECK(gelu_f32, -6, 6, 0, 0, 4, 5e-7, x / 2 * (1 + erf(x * 0.70710678118654752440)))
CHECK(gelu_tanh_f32, -6, 6, 0, 0, 4, 1e-6, x / 2 * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))))
CHECK(softplus_f32, -20, 20, 0, 0, 4, 2.5e-7, x > 700 ? x : log1p(exp(x)))
CHECK(elu_f32, -10, 10, 1.3f, 0, 4, 2.5e-7, x < 0 ? alpha * expm1(x) : x)
