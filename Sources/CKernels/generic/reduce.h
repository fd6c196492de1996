// Reductions over one contiguous row and the row operators made of them: four vectors of partial results, joined in
// a fixed order, so that the order of operations depends on the length only.

#define FOLD(x, n, start, step)                                                  \
  vf acc0 = start, acc1 = acc0, acc2 = acc0, acc3 = acc0;                        \
  ptrdiff_t i = 0;                                                               \
  for (; i + 4 * VL <= n; i += 4 * VL) {                                         \
    acc0 = step(acc0, v_load(x + i));                                            \
    acc1 = step(acc1, v_load(x + i + VL));                                       \
    acc2 = step(acc2, v_load(x + i + 2 * VL));                                   \
    acc3 = step(acc3, v_load(x + i + 3 * VL));                                   \
  }                                                                              \
  for (; i + VL <= n; i += VL) acc0 = step(acc0, v_load(x + i))

HELPER vf plus(vf acc, vf x) { return acc + x; }
HELPER vf plus_square(vf acc, vf x) { return v_fma(x, x, acc); }
/// NaN once seen stays.
HELPER vf greater(vf acc, vf x) { return v_select(v_is_nan(acc), acc, v_max(acc, x)); }
HELPER vf smaller(vf acc, vf x) { return v_select(v_is_nan(acc), acc, v_min(acc, x)); }
/// NaN is passed over.
HELPER vf greater_number(vf acc, vf x) { return v_max(x, acc); }
HELPER vf smaller_number(vf acc, vf x) { return v_min(x, acc); }

/// The elements that the vectors left over, after `count` of them were taken: as a vector filled up with `filler`.
HELPER vf tail(const float *x, ptrdiff_t count, float filler) {
  float lanes[VL];
  for (int l = 0; l < VL; l++) lanes[l] = l < count ? x[l] : filler;
  return v_load(lanes);
}

HELPER float join(vf v, vf (*step)(vf, vf)) {
  float lanes[VL];
  v_store(lanes, v);
  for (int width = VL / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; l++) {
      float pair[VL] = {0};
      v_store(pair, step(v_set1(lanes[l]), v_set1(lanes[l + width])));
      lanes[l] = pair[0];
    }
  }
  return lanes[0];
}

float KERNEL(sum_f32)(const float *x, ptrdiff_t n) {
  FOLD(x, n, v_set1(0), plus);
  if (i < n) acc1 = plus(acc1, tail(x + i, n - i, 0));
  return v_sum((acc0 + acc1) + (acc2 + acc3));
}

float KERNEL(sum_of_squares_f32)(const float *x, ptrdiff_t n) {
  FOLD(x, n, v_set1(0), plus_square);
  if (i < n) acc1 = plus_square(acc1, tail(x + i, n - i, 0));
  return v_sum((acc0 + acc1) + (acc2 + acc3));
}

float KERNEL(maximum_f32)(const float *x, ptrdiff_t n) {
  FOLD(x, n, v_set1(-INFINITY), greater);
  if (i < n) acc1 = greater(acc1, tail(x + i, n - i, -INFINITY));
  return join(greater(greater(acc0, acc1), greater(acc2, acc3)), greater);
}

float KERNEL(minimum_f32)(const float *x, ptrdiff_t n) {
  FOLD(x, n, v_set1(INFINITY), smaller);
  if (i < n) acc1 = smaller(acc1, tail(x + i, n - i, INFINITY));
  return join(smaller(smaller(acc0, acc1), smaller(acc2, acc3)), smaller);
}

ALWAYS_INLINE float least_number(const float *x, ptrdiff_t n) {
  FOLD(x, n, v_set1(INFINITY), smaller_number);
  if (i < n) acc1 = smaller_number(acc1, tail(x + i, n - i, INFINITY));
  return join(smaller_number(smaller_number(acc0, acc1), smaller_number(acc2, acc3)), smaller_number);
}

ALWAYS_INLINE float greatest_number(const float *x, ptrdiff_t n) {
  FOLD(x, n, v_set1(-INFINITY), greater_number);
  if (i < n) acc1 = greater_number(acc1, tail(x + i, n - i, -INFINITY));
  return join(greater_number(greater_number(acc0, acc1), greater_number(acc2, acc3)), greater_number);
}

void KERNEL(min_max_f32)(const float *x, ptrdiff_t n, float *minimum, float *maximum) {
  // Blocks stay in the first-level cache for the second pass.
  float low = INFINITY, high = -INFINITY;
  for (ptrdiff_t begin = 0; begin < n; begin += 4096) {
    const ptrdiff_t count = least(4096, n - begin);
    const float l = least_number(x + begin, count), h = greatest_number(x + begin, count);
    low = l < low ? l : low;
    high = h > high ? h : high;
  }
  *minimum = low;
  *maximum = high;
}

/// y = exp(x - shift), and its sum.
ALWAYS_INLINE float exp_row(const float *x, float *y, ptrdiff_t n, float shift, const bool stores) {
  const vf all = v_set1(shift);
  vf acc = v_set1(0);
  ptrdiff_t i = 0;
  for (; i + VL <= n; i += VL) {
    const vf e = v_exp(v_load(x + i) - all);
    if (stores) v_store(y + i, e);
    acc = acc + e;
  }
  if (i < n) {
    // Lanes past the end hold -inf and add nothing.
    const vf e = v_exp(tail(x + i, n - i, -INFINITY) - all);
    if (stores) v_store_part(y + i, e, n - i);
    float lanes[VL];
    v_store(lanes, e);
    acc = acc + tail(lanes, n - i, 0);
  }
  return v_sum(acc);
}

void KERNEL(softmax_f32)(const float *x, float *y, ptrdiff_t n) {
  if (n == 0) return;
  const float sum = exp_row(x, y, n, KERNEL(maximum_f32)(x, n), true);
  const vf scale = v_set1(1 / sum);
  ptrdiff_t i = 0;
  for (; i + VL <= n; i += VL) v_store(y + i, v_load(y + i) * scale);
  if (i < n) v_store_part(y + i, v_load_part(y + i, n - i) * scale, n - i);
}

void KERNEL(log_softmax_f32)(const float *x, float *y, ptrdiff_t n) {
  if (n == 0) return;
  const float shift = KERNEL(maximum_f32)(x, n);
  const float sum = exp_row(x, y, n, shift, false);
  const vf all = v_set1(shift), logarithm = v_log(v_set1(sum));
  ptrdiff_t i = 0;
  for (; i + VL <= n; i += VL) v_store(y + i, v_load(x + i) - all - logarithm);
  if (i < n) v_store_part(y + i, v_load_part(x + i, n - i) - all - logarithm, n - i);
}

/// x = x * scale + mask, and the largest of it and `start`.
ALWAYS_INLINE float masked_row(
  float *x, ptrdiff_t n, float scale, const float *mask, const bool whole_mask, float start) {
  const vf factor = v_set1(scale), all = v_set1(mask && !whole_mask ? *mask : 0);
  vf top = v_set1(start);
  ptrdiff_t i = 0;
  for (; i + VL <= n; i += VL) {
    vf t = v_load(x + i) * factor;
    if (mask) t = t + (whole_mask ? v_load(mask + i) : all);
    v_store(x + i, t);
    top = greater(top, t);
  }
  if (i < n) {
    vf t = v_load_part(x + i, n - i) * factor;
    if (mask) t = t + (whole_mask ? v_load_part(mask + i, n - i) : all);
    v_store_part(x + i, t, n - i);
    top = greater(top, tail(x + i, n - i, -INFINITY));
  }
  float lanes[VL];
  v_store(lanes, top);
  float result = lanes[0];
  for (int l = 1; l < VL; l++) result = isnan(result) || result > lanes[l] ? result : lanes[l];
  return result;
}

float KERNEL(softmax_part_f32)(
  float *x, ptrdiff_t n, float scale, const float *mask, ptrdiff_t mask_step, float *maximum, float *sum) {
  const float former = *maximum;
  const float top = !mask ? masked_row(x, n, scale, NULL, false, former)
    : mask_step == 1 ? masked_row(x, n, scale, mask, true, former)
                     : masked_row(x, n, scale, mask, false, former);
  // Nothing but -inf so far: there is no finite shift, and none is needed.
  const float shift = top == -INFINITY ? 0 : top;
  float factor = 1;
  if (former != top) {
    float lanes[VL];
    v_store(lanes, v_exp(v_set1(former - shift)));
    factor = former == -INFINITY ? 0 : lanes[0];
  }
  *maximum = top;
  *sum = *sum * factor + exp_row(x, x, n, shift, true);
  return factor;
}

ALWAYS_INLINE float squared_deviations(const float *x, ptrdiff_t n, float mean) {
  const vf all = v_set1(mean);
  vf acc0 = v_set1(0), acc1 = acc0;
  ptrdiff_t i = 0;
  for (; i + 2 * VL <= n; i += 2 * VL) {
    acc0 = plus_square(acc0, v_load(x + i) - all);
    acc1 = plus_square(acc1, v_load(x + i + VL) - all);
  }
  for (; i + VL <= n; i += VL) acc0 = plus_square(acc0, v_load(x + i) - all);
  if (i < n) acc1 = plus_square(acc1, tail(x + i, n - i, mean) - all);
  return v_sum(acc0 + acc1);
}

ALWAYS_INLINE vf normalized(vf x, vf mean, vf inverse, const bool scales, vf scale, const bool shifts, vf bias) {
  vf y = (x - mean) * inverse;
  if (scales) y = y * scale;
  if (shifts) y = y + bias;
  return y;
}

void KERNEL(layer_norm_f32)(
  const float *x, const float *scale, const float *bias, float *y, ptrdiff_t n, float epsilon, float *mean_out,
  float *inverse_out) {
  if (n == 0) return;
  const float mean = KERNEL(sum_f32)(x, n) / (float)n;
  const float inverse = 1 / sqrtf(squared_deviations(x, n, mean) / (float)n + epsilon);
  if (mean_out) *mean_out = mean;
  if (inverse_out) *inverse_out = inverse;
  const vf m = v_set1(mean), f = v_set1(inverse), none = v_set1(0);
  ptrdiff_t i = 0;
  for (; i + VL <= n; i += VL) {
    const vf s = scale ? v_load(scale + i) : none, b = bias ? v_load(bias + i) : none;
    v_store(y + i, normalized(v_load(x + i), m, f, scale != NULL, s, bias != NULL, b));
  }
  if (i < n) {
    const vf s = scale ? v_load_part(scale + i, n - i) : none, b = bias ? v_load_part(bias + i, n - i) : none;
    v_store_part(y + i, normalized(v_load_part(x + i, n - i), m, f, scale != NULL, s, bias != NULL, b), n - i);
  }
}
