// Elementwise arithmetic in the vocabulary of simd/.

#define BINARY(slot, expression)                                                                                \
  ALWAYS_INLINE vf slot##_lanes(vf a, vf b) { return expression; }                                              \
  ALWAYS_INLINE void slot##_row(                                                                                \
    ptrdiff_t n, const float *a, const bool a_moves, const float *b, const bool b_moves, float *y) {            \
    const vf a_all = v_set1(*a), b_all = v_set1(*b);                                                            \
    ptrdiff_t i = 0;                                                                                            \
    for (; i + VL <= n; i += VL) {                                                                              \
      v_store(y + i, slot##_lanes(a_moves ? v_load(a + i) : a_all, b_moves ? v_load(b + i) : b_all));           \
    }                                                                                                           \
    if (i < n) {                                                                                                \
      const vf av = a_moves ? v_load_part(a + i, n - i) : a_all, bv = b_moves ? v_load_part(b + i, n - i) : b_all; \
      v_store_part(y + i, slot##_lanes(av, bv), n - i);                                                         \
    }                                                                                                           \
  }                                                                                                             \
  void KERNEL(slot)(                                                                                            \
    ptrdiff_t rows, ptrdiff_t columns, const float *a, ptrdiff_t a_row_stride, ptrdiff_t a_step, const float *b, \
    ptrdiff_t b_row_stride, ptrdiff_t b_step, float *y, ptrdiff_t y_row_stride) {                               \
    if (columns == 0) return;                                                                                   \
    for (ptrdiff_t r = 0; r < rows; r++) {                                                                      \
      if (a_step && b_step) slot##_row(columns, a, true, b, true, y);                                           \
      else if (a_step) slot##_row(columns, a, true, b, false, y);                                               \
      else if (b_step) slot##_row(columns, a, false, b, true, y);                                               \
      else slot##_row(columns, a, false, b, false, y);                                                          \
      a += a_row_stride;                                                                                        \
      b += b_row_stride;                                                                                        \
      y += y_row_stride;                                                                                        \
    }                                                                                                           \
  }

// v_min and v_max give b when either is NaN, so only a NaN in a needs care.
BINARY(add_f32, a + b)
BINARY(sub_f32, a - b)
BINARY(mul_f32, a *b)
BINARY(div_f32, a / b)
BINARY(min_f32, v_select(v_is_nan(a), a, v_min(a, b)))
BINARY(max_f32, v_select(v_is_nan(a), a, v_max(a, b)))

UNARY(relu_f32, v_max(v_set1(0), x))
UNARY(clip_f32, v_min(beta, v_max(alpha, x)))
UNARY(leaky_relu_f32, v_select(v_lt(x, v_set1(0)), alpha *x, x))
UNARY(hard_sigmoid_f32, v_max(v_set1(0), v_min(v_set1(1), alpha *x + beta)))
UNARY(hard_swish_f32, x *v_max(v_set1(0), v_min(v_set1(1), x *v_set1(1.0f / 6) + v_set1(0.5f))))
UNARY(abs_f32, v_abs(x))
UNARY(neg_f32, v_bits_xor(x, v_set1(-0.0f)))
UNARY(affine_f32, alpha *x + beta)
UNARY(sqrt_f32, v_sqrt(x))
UNARY(rsqrt_f32, v_set1(1) / v_sqrt(x))
UNARY(reciprocal_f32, v_set1(1) / x)
UNARY(floor_f32, v_floor(x))
UNARY(ceil_f32, v_ceil(x))
UNARY(round_f32, v_round(x))
