// Bytes moved between and within words, for sparse 8-bit products.

/// Each byte of `positions` (0 … 15) replaced by that element of a[16].
HELPER vi window_words(const uint8_t *a, vi positions) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)a)), positions);
}
/// Word j: bytes p[2 j] & 15, p[2 j + 1] & 15, p[2 j] >> 4, p[2 j + 1] >> 4.
HELPER vi expand_positions(const uint8_t *p) {
  const vi x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
  return _mm512_and_si512(_mm512_or_si512(x, _mm512_slli_epi32(x, 12)), _mm512_set1_epi32(0x0f0f0f0f));
}
/// Of each 16 bytes i: word j of q[t] is the bytes 4 t + j of x[0], x[1], x[2], x[3].
HELPER void word_quads(const vi x[4], vi q[4]) {
  const vi low01 = _mm512_unpacklo_epi8(x[0], x[1]), low23 = _mm512_unpacklo_epi8(x[2], x[3]);
  const vi high01 = _mm512_unpackhi_epi8(x[0], x[1]), high23 = _mm512_unpackhi_epi8(x[2], x[3]);
  q[0] = _mm512_unpacklo_epi16(low01, low23);
  q[1] = _mm512_unpackhi_epi16(low01, low23);
  q[2] = _mm512_unpacklo_epi16(high01, high23);
  q[3] = _mm512_unpackhi_epi16(high01, high23);
}
/// Stores what word_quads has spread, as vi_store_pair_8 does.
HELPER void vi_store_quads_8(void *p, const vi q[4], vi zero, const bool is_signed) {
  const vi low = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), zero);
  const vi high = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), zero);
  _mm512_storeu_si512(p, is_signed ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high));
}
