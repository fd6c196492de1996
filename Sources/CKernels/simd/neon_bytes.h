// Products of bytes: by way of int16, or by SDOT, which takes both operands signed.

#ifdef ADZE_NEONDOT
/// acc + the four products of each word, both signed.
HELPER vi signed_dot_4(vi acc, vi a, vi b) {
  return vdotq_s32(acc, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
}
/// acc + the four products of each word, a unsigned and b signed: of a less 128, and of b 128 times.
HELPER vi dot_4(vi acc, vi a, vi b) {
  const vi shifted = veorq_s32(a, vdupq_n_s32((int32_t)0x80808080u)), ones = vdupq_n_s32(0x01010101);
  return vaddq_s32(signed_dot_4(acc, shifted, b), vshlq_n_s32(signed_dot_4(vdupq_n_s32(0), ones, b), 7));
}
#else
/// acc + the four products of each word, a unsigned and b signed.
HELPER vi dot_4(vi acc, vi a, vi b) {
  const uint8x16_t au = vreinterpretq_u8_s32(a);
  const int8x16_t bs = vreinterpretq_s8_s32(b);
  const int16x8_t a0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(au))), b0 = vmovl_s8(vget_low_s8(bs));
  const int16x8_t a1 = vreinterpretq_s16_u16(vmovl_high_u8(au)), b1 = vmovl_high_s8(bs);
  const vi low = vpaddq_s32(vmull_s16(vget_low_s16(a0), vget_low_s16(b0)), vmull_high_s16(a0, b0));
  const vi high = vpaddq_s32(vmull_s16(vget_low_s16(a1), vget_low_s16(b1)), vmull_high_s16(a1, b1));
  return vaddq_s32(acc, vpaddq_s32(low, high));
}
#endif
