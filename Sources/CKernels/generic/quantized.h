// One vector of floats to 8-bit integers, and a row of them.

#include "part_bytes.h"

/// Rounded to even and clamped while still float: [low, high] is the range of the type minus the zero point.
HELPER vi quantized(vf x, vf scale, vf low, vf high, vi zero_point) {
  return vi_add(v_to_i(v_min(v_max(x / scale, low), high)), zero_point);
}

/// To uint8, as quantize_u8 does, from any stride.
static __attribute__((unused)) void quantize_row(
  const float *x, ptrdiff_t stride, ptrdiff_t n, float scale, int32_t zero_point, uint8_t *y) {
  const vf s = v_set1(scale), low = v_set1((float)-zero_point), high = v_set1((float)(255 - zero_point));
  const vi z = vi_set1(zero_point);
  for (ptrdiff_t i = 0; i < n; i += VL) {
    const ptrdiff_t count = least(VL, n - i);
    if (stride == 1 && count == VL) {
      vi_store_8(y + i, quantized(v_load(x + i), s, low, high, z));
      continue;
    }
    float lanes[VL] = {0};
    for (ptrdiff_t l = 0; l < count; l++) lanes[l] = x[(i + l) * stride];
    store_part_8(y + i, quantized(v_load(lanes), s, low, high, z), count);
  }
}
