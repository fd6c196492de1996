// Weights that are safe for four additions before one widening: the cheapest way without VNNI.

#define PEAK_I8_CHAINS 6

HELPER vi peak_step(vi sum, const vi *a, const int8_t *b) {
  vi pairs = pair_products(a[0], vi_load((const int32_t *)b));
  for (int g = 1; g < 4; g++) {
    pairs = add_16(pairs, pair_products(a[g], vi_load((const int32_t *)(b + 4 * g * ADZE_PEAK_COUNT))));
  }
  return vi_add(sum, widened(pairs));
}
