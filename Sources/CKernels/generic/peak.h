// Arithmetic and reading, nothing else: what the shares of the peak are measured against.

enum { CHAINS = 12 };  // two units, five cycles of latency, and registers to spare

void KERNEL(peak_f32)(ptrdiff_t rounds, float x, float z, float *y) {
  const vf factor = v_set1(x), summand = v_set1(z);
  for (ptrdiff_t at = 0; at < ADZE_PEAK_COUNT; at += CHAINS * VL) {
    vf sums[CHAINS];
    for (int i = 0; i < CHAINS; i++) sums[i] = v_load(y + at + i * VL);
    for (ptrdiff_t round = 0; round < rounds; round++) {
      UNROLL
      for (int i = 0; i < CHAINS; i++) sums[i] = v_fma(sums[i], factor, summand);
    }
    for (int i = 0; i < CHAINS; i++) v_store(y + at + i * VL, sums[i]);
  }
}

uint32_t KERNEL(peak_read)(const float *x, ptrdiff_t count) {
  vf parts[8];
  for (int i = 0; i < 8; i++) parts[i] = v_set1(0);
  ptrdiff_t at = 0;
  for (; at + 8 * VL <= count; at += 8 * VL) {
    for (int i = 0; i < 8; i++) parts[i] = v_bits_xor(parts[i], v_load(x + at + i * VL));
  }
  for (; at + VL <= count; at += VL) parts[0] = v_bits_xor(parts[0], v_load(x + at));
  if (at < count) parts[0] = v_bits_xor(parts[0], v_load_part(x + at, count - at));
  for (int i = 1; i < 8; i++) parts[0] = v_bits_xor(parts[0], parts[i]);
  uint32_t words[VL], result = 0;
  v_store((float *)words, parts[0]);
  for (int i = 0; i < VL; i++) result ^= words[i];
  return result;
}
