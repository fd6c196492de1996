// The epilogue of 8-bit convolutions whose sums are in registers.

#include "part_bytes.h"

/// What the epilogue needs of the VL columns from `filter` on.
typedef struct {
  vi offset;
  vf scale, bias;
} i8_filters;

ALWAYS_INLINE i8_filters filters_at(
  const adze_conv2d_i8 *c, const int32_t *sums, int32_t zero_point, ptrdiff_t filter, ptrdiff_t count) {
  i8_filters f = {vi_sub(vi_set1(0), vi_mul(vi_load(sums), vi_set1(zero_point))), v_set1(1), v_set1(0)};
  const bool whole = count >= VL;
  if (c->bias) f.offset = vi_add(f.offset, whole ? vi_load(c->bias + filter) : vi_load_part(c->bias + filter, count));
  if (c->output == ADZE_I8_OUTPUT_I32) return f;
  if (c->scale && !c->scale_stride) f.scale = v_set1(*c->scale);
  else if (c->scale) f.scale = whole ? v_load(c->scale + filter) : v_load_part(c->scale + filter, count);
  const float *bias = c->epilogue.column_bias;
  if (bias) f.bias = whole ? v_load(bias + filter) : v_load_part(bias + filter, count);
  return f;
}

/// What it needs of the layer.
typedef struct {
  adze_i8_output output;
  bool has_bias, clamps;
  vf low, high;
  vi zero_point, zero_pair;  // zero_pair: as vi_store_pair_8 wants it
} i8_result;

static i8_result result_of(const adze_conv2d_i8 *c) {
  const adze_epilogue_f32 *e = &c->epilogue;
  const bool is_8 = c->output == ADZE_I8_OUTPUT_U8 || c->output == ADZE_I8_OUTPUT_S8;
  i8_result r = {
    c->output, e->column_bias != NULL, e->clamps, v_set1(e->minimum), v_set1(e->maximum), vi_set1(c->y_zero_point),
    vi_set1((int32_t)((uint32_t)(uint16_t)c->y_zero_point * 0x00010001u))};
  if (!is_8) return r;
  const int32_t lowest = (c->output == ADZE_I8_OUTPUT_U8 ? 0 : -128) - c->y_zero_point;
  float low = (float)lowest, high = (float)(lowest + 255);
  if (e->clamps && e->minimum > low) low = e->minimum;
  if (e->clamps && e->maximum < high) high = e->maximum;
  r.low = v_set1(low), r.high = v_set1(high);
  return r;
}

/// Finishes the sums of `count` (at most VL) columns of one pixel; `at`: the element of y.
ALWAYS_INLINE void finish_filters(
  const adze_conv2d_i8 *c, const i8_result *r, const i8_filters *f, vi sum, ptrdiff_t at, ptrdiff_t count) {
  sum = vi_add(sum, f->offset);
  if (r->output == ADZE_I8_OUTPUT_I32) {
    int32_t *y = (int32_t *)c->y + at;
    if (count < VL) vi_store_part(y, sum, count);
    else vi_store(y, sum);
    return;
  }
  vf x = v_from_i(sum) * f->scale;
  if (r->has_bias) x = x + f->bias;
  if (r->output == ADZE_I8_OUTPUT_F32) {
    if (r->clamps) x = v_min(r->high, v_max(r->low, x));
    float *y = (float *)c->y + at;
    if (count < VL) v_store_part(y, x, count);
    else v_store(y, x);
    return;
  }
  const vi q = vi_add(v_to_i(v_min(v_max(x, r->low), r->high)), r->zero_point);
  store_part_8((uint8_t *)c->y + at, q, count);
}

/// The same for two whole vectors of a pixel to 8 bits.
ALWAYS_INLINE void finish_pair(
  const adze_conv2d_i8 *c, const i8_result *r, const i8_filters *first, const i8_filters *second, vi a, vi b,
  ptrdiff_t at) {
  vf x = v_from_i(vi_add(a, first->offset)) * first->scale, y = v_from_i(vi_add(b, second->offset)) * second->scale;
  if (r->has_bias) x = x + first->bias, y = y + second->bias;
  if (r->clamps) x = v_max(x, r->low), y = v_max(y, r->low);
  // What is too large for int32 would become negative; what is too small does.
  x = v_min(r->high, x), y = v_min(r->high, y);
  vi_store_pair_8((uint8_t *)c->y + at, v_to_i(x), v_to_i(y), r->zero_pair, r->output == ADZE_I8_OUTPUT_S8);
}

#ifdef DEPTHWISE_WIDE
/// The same for four vectors of a pixel as word_quads spreads them; `values`: their offsets, scales and biases.
ALWAYS_INLINE void finish_quads(
  const adze_conv2d_i8 *c, const i8_result *r, const int32_t *values, const vi sums[4], ptrdiff_t at) {
  vi q[4];
  UNROLL for (int t = 0; t < 4; t++) {
    vf x = v_from_i(vi_add(sums[t], vi_load(values + t * VL))) * v_as_f(vi_load(values + (4 + t) * VL));
    if (r->has_bias) x = x + v_as_f(vi_load(values + (8 + t) * VL));
    if (r->clamps) x = v_max(x, r->low);
    q[t] = v_to_i(v_min(r->high, x));
  }
  vi_store_quads_8((uint8_t *)c->y + at, q, r->zero_pair, r->output == ADZE_I8_OUTPUT_S8);
}
#endif
