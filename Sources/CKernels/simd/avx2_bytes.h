// Products of bytes where no instruction sums four of them.

/// int16 a.0 b.0 + a.1 b.1, a unsigned, b signed bytes; saturates.
HELPER vi pair_products(vi a, vi b) { return _mm256_maddubs_epi16(a, b); }
HELPER vi add_16(vi a, vi b) { return _mm256_add_epi16(a, b); }
HELPER vi widened(vi a) { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }
/// acc + the four products of each word, a unsigned and b signed bytes: by way of int16, exact.
HELPER vi dot_4(vi acc, vi a, vi b) {
  const vi a_even = _mm256_and_si256(a, _mm256_set1_epi16(255)), a_odd = _mm256_srli_epi16(a, 8);
  const vi b_even = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), b_odd = _mm256_srai_epi16(b, 8);
  const vi even = _mm256_madd_epi16(a_even, b_even), odd = _mm256_madd_epi16(a_odd, b_odd);
  return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}
/// The same of weights whose two products never leave int16.
HELPER vi pair_dot_4(vi acc, vi a, vi b) { return vi_add(acc, widened(pair_products(a, b))); }
