// The uint8 scale and zero point of a row of floats.

/// As DynamicQuantizeLinear has it: the range takes in zero, NaN is passed over. The scale may be 0: of a row of zeros.
static float row_range(const float *x, ptrdiff_t stride, ptrdiff_t n, int32_t *zero_point) {
  float low = 0, high = 0;
  ptrdiff_t i = 0;
  if (stride == 1 && n >= VL) {
    vf lows = v_set1(0), highs = lows;
    // The number comes second: that is what both instructions return when either is NaN.
    for (; i + VL <= n; i += VL) lows = v_min(v_load(x + i), lows), highs = v_max(v_load(x + i), highs);
    float l[VL], h[VL];
    v_store(l, lows);
    v_store(h, highs);
    for (int lane = 0; lane < VL; lane++) low = l[lane] < low ? l[lane] : low, high = h[lane] > high ? h[lane] : high;
  }
  for (; i < n; i++) {
    const float value = x[i * stride];
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  const float scale = (high - low) / 255;
  *zero_point = 0;
  if (scale == 0 || !isfinite(scale)) return scale;
  const float exact = rintf(0 - low / scale);
  *zero_point = (int32_t)(exact < 0 ? 0 : exact > 255 ? 255 : exact);
  return scale;
}
