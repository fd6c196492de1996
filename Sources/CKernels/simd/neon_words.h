// Bytes moved between and within words, for sparse 8-bit products.

/// Each byte of `positions` (0 … 15) replaced by that element of a[16].
HELPER vi window_words(const uint8_t *a, vi positions) {
  return vreinterpretq_s32_u8(vqtbl1q_u8(vld1q_u8(a), vreinterpretq_u8_s32(positions)));
}
/// Word j: bytes p[2 j] & 15, p[2 j + 1] & 15, p[2 j] >> 4, p[2 j + 1] >> 4.
HELPER vi expand_positions(const uint8_t *p) {
  const vi x = vreinterpretq_s32_u32(vmovl_u16(vreinterpret_u16_u8(vld1_u8(p))));
  return vandq_s32(vorrq_s32(x, vshlq_n_s32(x, 12)), vdupq_n_s32(0x0f0f0f0f));
}
/// Of each 16 bytes i: word j of q[t] is the bytes 4 t + j of x[0], x[1], x[2], x[3].
HELPER void word_quads(const vi x[4], vi q[4]) {
  const int8x16_t x0 = vreinterpretq_s8_s32(x[0]), x1 = vreinterpretq_s8_s32(x[1]);
  const int8x16_t x2 = vreinterpretq_s8_s32(x[2]), x3 = vreinterpretq_s8_s32(x[3]);
  const int16x8_t low01 = vreinterpretq_s16_s8(vzip1q_s8(x0, x1)), low23 = vreinterpretq_s16_s8(vzip1q_s8(x2, x3));
  const int16x8_t high01 = vreinterpretq_s16_s8(vzip2q_s8(x0, x1)), high23 = vreinterpretq_s16_s8(vzip2q_s8(x2, x3));
  q[0] = vreinterpretq_s32_s16(vzip1q_s16(low01, low23));
  q[1] = vreinterpretq_s32_s16(vzip2q_s16(low01, low23));
  q[2] = vreinterpretq_s32_s16(vzip1q_s16(high01, high23));
  q[3] = vreinterpretq_s32_s16(vzip2q_s16(high01, high23));
}
/// Stores what word_quads has spread, as vi_store_pair_8 does.
HELPER void vi_store_quads_8(void *p, const vi q[4], vi zero, const bool is_signed) {
  vi_store_pair_8(p, q[0], q[1], zero, is_signed);
  vi_store_pair_8((uint8_t *)p + 8, q[2], q[3], zero, is_signed);
}
