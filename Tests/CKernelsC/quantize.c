#include "check.h"

static int32_t saturate(double value, int32_t low, int32_t high) {
  return isnan(value) ? low : value < low ? low : value > high ? high : (int32_t)value;
}

static const float specials[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e30f, -1e30f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f};

/// The reference divides in float, as ONNX defines QuantizeLinear, and rounds to even.
static int32_t reference(float x, float scale, int32_t zero_point, bool is_signed) {
  const float ratio = x / scale;
  return saturate(rint((double)ratio) + zero_point, is_signed ? -128 : 0, is_signed ? 127 : 255);
}

static void check_quantize(checker *c, bool is_signed) {
  static const float scales[] = {1, 0.5f, 0.0371f, 1e-30f, 1e30f};
  FOR_SIZES(n) {
    for (int s = 0; s < 5; s++) {
      const int32_t zero_point = is_signed ? (int32_t[]){0, -128, 127, 3, -5}[s] : (int32_t[]){0, 255, 128, 3, 77}[s];
      float *x = random_floats(n, -200 * scales[s], 200 * scales[s]);
      // Halves, which tell rounding to even from rounding away, and the special values.
      for (ptrdiff_t i = 0; i < n; i += 3) x[i] = ((float)(random_bits() % 300) - 150 + 0.5f) * scales[s];
      for (ptrdiff_t i = 1; i < n; i += 5) x[i] = specials[random_bits() % 12];
      uint8_t *y = guarded((size_t)n, 0xaa);
      if (is_signed) c->kernels->quantize_s8(x, (int8_t *)y, n, scales[s], zero_point);
      else c->kernels->quantize_u8(x, y, n, scales[s], zero_point);
      for (ptrdiff_t i = 0; i < n; i++) {
        const int32_t got = is_signed ? (int8_t)y[i] : y[i], wanted = reference(x[i], scales[s], zero_point, is_signed);
        expect(c, got == wanted, "%td: %g / %g + %d = %d, not %d", n, x[i], scales[s], zero_point, got, wanted);
      }
      release_all();
    }
  }
}

void check_quantize_u8(checker *c) { check_quantize(c, false); }
void check_quantize_s8(checker *c) { check_quantize(c, true); }

static void check_dequantize(checker *c, bool is_signed) {
  FOR_SIZES(n) {
    uint8_t *x = random_bytes(n);
    float *y = guarded((size_t)n * 4, 0xff);
    if (is_signed) c->kernels->dequantize_s8((int8_t *)x, y, n, 0.0371f, -7);
    else c->kernels->dequantize_u8(x, y, n, 0.0371f, 130);
    for (ptrdiff_t i = 0; i < n; i++) {
      const float wanted = (float)(is_signed ? (int8_t)x[i] + 7 : x[i] - 130) * 0.0371f;
      expect(c, y[i] == wanted, "%td: %d gives %g, not %g", n, x[i], y[i], wanted);
    }
    release_all();
  }
}

void check_dequantize_u8(checker *c) { check_dequantize(c, false); }
void check_dequantize_s8(checker *c) { check_dequantize(c, true); }

void check_dequantize_i32(checker *c) {
  FOR_SIZES(n) {
    for (int form = 0; form < 9; form++) {
      int32_t *x = guarded((size_t)n * 4, 0);
      for (ptrdiff_t i = 0; i < n; i++) x[i] = (int32_t)random_bits();
      float *y = guarded((size_t)n * 4, 0xff);
      const ptrdiff_t scale_step = form % 3 == 2, bias_step = form / 3 == 2;
      float *scale = form % 3 ? random_floats(scale_step ? n : 1, 0, 1) : NULL;
      float *bias = form / 3 ? random_floats(bias_step ? n : 1, -1, 1) : NULL;
      if ((scale_step || bias_step) && n == 0) continue;
      c->kernels->dequantize_i32(x, y, n, scale, scale_step, bias, bias_step);
      for (ptrdiff_t i = 0; i < n; i++) {
        volatile float product = (float)x[i] * (scale ? scale[i * scale_step] : 1);
        const float wanted = bias ? product + bias[i * bias_step] : product;
        expect(c, y[i] == wanted, "%td form %d: %g, not %g", n, form, y[i], wanted);
      }
      release_all();
    }
  }
}

static void check_sum_8(checker *c, bool is_signed) {
  FOR_SIZES(n) {
    uint8_t *x = random_bytes(n);
    int64_t exact = 0;
    for (ptrdiff_t i = 0; i < n; i++) exact += is_signed ? (int8_t)x[i] : x[i];
    const int64_t got = is_signed ? c->kernels->sum_s8((int8_t *)x, n) : c->kernels->sum_u8(x, n);
    expect(c, got == exact, "%td: %lld, not %lld", n, (long long)got, (long long)exact);
    release_all();
  }
  // Long enough to overflow 32-bit lanes that are never emptied.
  const ptrdiff_t many = ((ptrdiff_t)1 << 26) + 5;
  uint8_t *x = guarded((size_t)many, is_signed ? 0x80 : 0xff);
  const int64_t got = is_signed ? c->kernels->sum_s8((int8_t *)x, many) : c->kernels->sum_u8(x, many);
  expect(c, got == many * (is_signed ? -128 : 255), "%td: %lld", many, (long long)got);
}

void check_sum_u8(checker *c) { check_sum_8(c, false); }
void check_sum_s8(checker *c) { check_sum_8(c, true); }
