// The loop of a unary kernel around an expression of x, alpha and beta.

#define UNARY(slot, expression)                                                           \
  ALWAYS_INLINE vf slot##_lanes(vf x, vf alpha, vf beta) {                                \
    (void)alpha, (void)beta;                                                              \
    return expression;                                                                    \
  }                                                                                       \
  void KERNEL(slot)(const float *x, float *y, ptrdiff_t n, float alpha, float beta) {     \
    const vf a = v_set1(alpha), b = v_set1(beta);                                         \
    ptrdiff_t i = 0;                                                                      \
    for (; i + VL <= n; i += VL) v_store(y + i, slot##_lanes(v_load(x + i), a, b));       \
    if (i < n) v_store_part(y + i, slot##_lanes(v_load_part(x + i, n - i), a, b), n - i); \
  }

HELPER vf v_abs(vf x) { return v_bits_and(x, v_as_f(vi_set1(0x7fffffff))); }
HELPER vf v_copysign(vf magnitude, vf sign) {
  return v_bits_or(magnitude, v_bits_and(sign, v_set1(-0.0f)));
}
