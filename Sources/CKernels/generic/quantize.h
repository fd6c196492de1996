// Between float and 8-bit integers, and sums of 8-bit integers.

#include "quantized.h"

#define QUANTIZE(slot, type, lowest, highest)                                                        \
  void KERNEL(slot)(const float *x, type *y, ptrdiff_t n, float scale, int32_t zero_point) {         \
    const vf s = v_set1(scale), low = v_set1((float)(lowest - zero_point));                          \
    const vf high = v_set1((float)(highest - zero_point));                                           \
    const vi z = vi_set1(zero_point);                                                                \
    ptrdiff_t i = 0;                                                                                 \
    for (; i + VL <= n; i += VL) vi_store_8(y + i, quantized(v_load(x + i), s, low, high, z));       \
    if (i < n) {                                                                                     \
      type last[VL];                                                                                 \
      vi_store_8(last, quantized(v_load_part(x + i, n - i), s, low, high, z));                       \
      memcpy(y + i, last, (size_t)(n - i));                                                          \
    }                                                                                                \
  }

#define DEQUANTIZE(slot, type, load)                                                                 \
  void KERNEL(slot)(const type *x, float *y, ptrdiff_t n, float scale, int32_t zero_point) {         \
    const vf s = v_set1(scale);                                                                      \
    const vi z = vi_set1(zero_point);                                                                \
    ptrdiff_t i = 0;                                                                                 \
    for (; i + VL <= n; i += VL) v_store(y + i, v_from_i(vi_sub(load(x + i), z)) * s);               \
    if (i < n) {                                                                                     \
      type last[VL] = {0};                                                                           \
      memcpy(last, x + i, (size_t)(n - i));                                                          \
      v_store_part(y + i, v_from_i(vi_sub(load(last), z)) * s, n - i);                               \
    }                                                                                                \
  }

// Lanes are emptied into 64 bits before 2^21 elements of a lane could fill them.
#define SUM_8(slot, type, load)                                                                      \
  int64_t KERNEL(slot)(const type *x, ptrdiff_t n) {                                                 \
    int64_t total = 0;                                                                               \
    ptrdiff_t i = 0;                                                                                 \
    while (i + VL <= n) {                                                                            \
      const ptrdiff_t end = least(n, i + (1 << 21));                                                 \
      vi acc = vi_set1(0);                                                                           \
      for (; i + VL <= end; i += VL) acc = vi_add(acc, load(x + i));                                 \
      total += vi_sum(acc);                                                                          \
    }                                                                                                \
    for (; i < n; i++) total += x[i];                                                                \
    return total;                                                                                    \
  }

QUANTIZE(quantize_u8, uint8_t, 0, 255)
QUANTIZE(quantize_s8, int8_t, -128, 127)
DEQUANTIZE(dequantize_u8, uint8_t, vi_load_u8)
DEQUANTIZE(dequantize_s8, int8_t, vi_load_s8)
SUM_8(sum_u8, uint8_t, vi_load_u8)
SUM_8(sum_s8, int8_t, vi_load_s8)

void KERNEL(dequantize_i32)(
  const int32_t *x, float *y, ptrdiff_t n, const float *scale, ptrdiff_t scale_step, const float *bias,
  ptrdiff_t bias_step) {
  const vf scale_all = v_set1(scale ? *scale : 1), bias_all = v_set1(bias ? *bias : 0);
  const bool scales_move = scale && scale_step, biases_move = bias && bias_step;
  ptrdiff_t i = 0;
  for (; i + VL <= n; i += VL) {
    const vf s = scales_move ? v_load(scale + i) : scale_all, b = biases_move ? v_load(bias + i) : bias_all;
    vf value = v_from_i(vi_load(x + i)) * s;
    if (bias) value = value + b;
    v_store(y + i, value);
  }
  if (i < n) {
    const ptrdiff_t part = n - i;
    const vf s = scales_move ? v_load_part(scale + i, part) : scale_all;
    const vf b = biases_move ? v_load_part(bias + i, part) : bias_all;
    vf value = v_from_i(vi_load_part(x + i, part)) * s;
    if (bias) value = value + b;
    v_store_part(y + i, value, part);
  }
}
