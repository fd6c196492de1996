// exp, log, erf, tanh and what is made of them, after Cephes (S. Moshier) and, for erf, N. Juffa's minimax fit.
// Error bounds are in README.md and tested against double precision.

/// e^x: x = n ln 2 + r, |r| <= ln 2 / 2; the power of two is applied in two steps so that denormal results are right.
HELPER vf v_exp(vf x) {
  x = v_min(v_set1(89.0f), v_max(v_set1(-104.0f), x));
  const vf n = v_round(x * v_set1(1.44269504f));
  vf r = v_fma(n, v_set1(-0.693359375f), x);
  r = v_fma(n, v_set1(2.12194440e-4f), r);
  vf p = v_set1(1.9875691500e-4f);
  p = v_fma(p, r, v_set1(1.3981999507e-3f));
  p = v_fma(p, r, v_set1(8.3334519073e-3f));
  p = v_fma(p, r, v_set1(4.1665795894e-2f));
  p = v_fma(p, r, v_set1(1.6666665459e-1f));
  p = v_fma(p, r, v_set1(5.0000001201e-1f));
  p = v_fma(p, r * r, r) + v_set1(1);
  const vi whole = v_to_i(n), half = vi_shift_right(whole, 1), rest = vi_sub(whole, half);
  const vf scale = v_as_f(vi_shift_left(vi_add(half, vi_set1(127)), 23));
  return p * scale * v_as_f(vi_shift_left(vi_add(rest, vi_set1(127)), 23));
}

HELPER vf v_log(vf x) {
  const vm small = v_lt(x, v_set1(FLT_MIN));
  const vi bits = v_as_i(v_select(small, x * v_set1(33554432.0f), x));
  // Mantissa in [sqrt 1/2, sqrt 2).
  const vi exponent = vi_shift_right(vi_sub(bits, vi_set1(0x3f3504f3)), 23);
  const vf f = v_as_f(vi_sub(bits, vi_shift_left(exponent, 23))) - v_set1(1);
  const vf e = v_from_i(exponent) - v_select(small, v_set1(25), v_set1(0));
  vf p = v_set1(7.0376836292e-2f);
  p = v_fma(p, f, v_set1(-1.1514610310e-1f));
  p = v_fma(p, f, v_set1(1.1676998740e-1f));
  p = v_fma(p, f, v_set1(-1.2420140846e-1f));
  p = v_fma(p, f, v_set1(1.4249322787e-1f));
  p = v_fma(p, f, v_set1(-1.6668057665e-1f));
  p = v_fma(p, f, v_set1(2.0000714765e-1f));
  p = v_fma(p, f, v_set1(-2.4999993993e-1f));
  p = v_fma(p, f, v_set1(3.3333331174e-1f));
  const vf square = f * f;
  vf y = v_fma(e, v_set1(-2.12194440e-4f), f * square * p);
  y = v_fma(square, v_set1(-0.5f), y);
  vf result = v_fma(e, v_set1(0.693359375f), f + y);
  result = v_select(v_lt(v_set1(FLT_MAX), x), x, result);
  result = v_select(v_eq(x, v_set1(0)), v_set1(-INFINITY), result);
  result = v_select(v_lt(x, v_set1(0)), v_set1(NAN), result);
  return v_select(v_is_nan(x), x, result);
}

HELPER vf v_erf(vf x) {
  // Both halves are computed, so |x| stops where erf is 1 and no polynomial overflows.
  const vf t = v_min(v_set1(4.0f), v_abs(x)), s = t * t;
  // |x| > 475/512: 1 - exp of a polynomial.
  vf r = v_fma(v_set1(-1.72853470e-5f), t, v_set1(3.83197126e-4f));
  r = v_fma(r, s, v_fma(v_set1(-3.88396438e-3f), t, v_set1(2.42546219e-2f)));
  r = v_fma(r, t, v_set1(-1.06777877e-1f));
  r = v_fma(r, t, v_set1(-6.34846687e-1f));
  r = v_fma(r, t, v_set1(-1.28717512e-1f));
  r = v_fma(r, t, v_bits_xor(t, v_set1(-0.0f)));
  const vf outer = v_copysign(v_set1(1) - v_exp(r), x);
  vf q = v_set1(-5.96761703e-4f);
  q = v_fma(q, s, v_set1(4.99119423e-3f));
  q = v_fma(q, s, v_set1(-2.67681349e-2f));
  q = v_fma(q, s, v_set1(1.12819925e-1f));
  q = v_fma(q, s, v_set1(-3.76125336e-1f));
  q = v_fma(q, s, v_set1(1.28379166e-1f));
  const vf inner = v_fma(q, x, x);
  return v_select(v_lt(v_set1(0.927734375f), t), outer, inner);
}

HELPER vf v_tanh(vf x) {
  const vf t = v_abs(x), s = x * x;
  const vf outer = v_copysign(v_set1(1) - v_set1(2) / (v_exp(t + t) + v_set1(1)), x);
  vf p = v_set1(-5.70498872745e-3f);
  p = v_fma(p, s, v_set1(2.06390887954e-2f));
  p = v_fma(p, s, v_set1(-5.37397155531e-2f));
  p = v_fma(p, s, v_set1(1.33314422036e-1f));
  p = v_fma(p, s, v_set1(-3.33332819422e-1f));
  const vf inner = v_fma(p * s, x, x);
  return v_select(v_lt(t, v_set1(0.625f)), inner, outer);
}

/// With e = exp(-|x|): 1 / (1 + e), or e / (1 + e) for negative x, where 1 / (1 + exp(-x)) would lose digits.
HELPER vf v_sigmoid(vf x) {
  const vf e = v_exp(v_bits_or(x, v_set1(-0.0f))), r = v_set1(1) / (v_set1(1) + e);
  return v_select(v_lt(x, v_set1(0)), e * r, r);
}

HELPER vf v_gelu_tanh(vf x) {
  const vf inner = v_set1(0.7978845608f) * v_fma(v_set1(0.044715f) * x * x, x, x);
  return v_set1(0.5f) * x * (v_set1(1) + v_tanh(inner));
}

HELPER vf v_elu(vf x, vf alpha) {
  return v_select(v_lt(x, v_set1(0)), alpha * (v_exp(x) - v_set1(1)), x);
}

UNARY(exp_f32, v_exp(x))
UNARY(log_f32, v_log(x))
UNARY(erf_f32, v_erf(x))
UNARY(tanh_f32, v_tanh(x))
UNARY(sigmoid_f32, v_sigmoid(x))
UNARY(gelu_f32, v_set1(0.5f) * x * (v_set1(1) + v_erf(x *v_set1(0.70710678f))))
UNARY(gelu_tanh_f32, v_gelu_tanh(x))
UNARY(silu_f32, x *v_sigmoid(alpha *x))
UNARY(softplus_f32, v_max(v_set1(0), x) + v_log(v_set1(1) + v_exp(v_bits_or(x, v_set1(-0.0f)))))
UNARY(elu_f32, v_elu(x, alpha))
