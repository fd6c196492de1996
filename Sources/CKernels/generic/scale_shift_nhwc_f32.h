// One scale and one shift for each channel of NHWC images.

/// `vectors` vectors of channels of each pixel.
ALWAYS_INLINE void scale_shift_vectors(
  const int vectors, const adze_scale_shift_f32 *s, const ptrdiff_t channel, ptrdiff_t begin, ptrdiff_t end,
  const ptrdiff_t part) {
  const vf low = v_set1(s->minimum), high = v_set1(s->maximum);
  const bool clamps = s->clamps;
  const float *x = s->x + begin * s->x_pixel_stride + channel;
  float *y = s->y + begin * s->y_pixel_stride + channel;
  const ptrdiff_t x_stride = s->x_pixel_stride, y_stride = s->y_pixel_stride;
  vf scale[4], shift[4];
  UNROLL for (int v = 0; v < vectors; v++) {
    scale[v] = load_lanes(s->scale + channel + v * VL, part);
    shift[v] = load_lanes(s->shift + channel + v * VL, part);
  }
  for (ptrdiff_t pixel = begin; pixel < end; pixel++, x += x_stride, y += y_stride) {
    UNROLL for (int v = 0; v < vectors; v++) {
      vf r = v_fma(load_lanes(x + v * VL, part), scale[v], shift[v]);
      if (clamps) r = v_min(high, v_max(low, r));
      store_lanes(y + v * VL, r, part);
    }
  }
}

void KERNEL(scale_shift_nhwc_f32)(const adze_scale_shift_f32 *s, ptrdiff_t begin, ptrdiff_t end) {
  // So many pixels that what is read of them stays in the first cache until all channels are done.
  const ptrdiff_t block = most(1, 4096 / most(1, s->channels));
  for (ptrdiff_t first = begin; first < end; first += block) {
    const ptrdiff_t last = least(end, first + block);
    ptrdiff_t c = 0;
    for (; c + 4 * VL <= s->channels; c += 4 * VL) scale_shift_vectors(4, s, c, first, last, VL);
    for (; c + VL <= s->channels; c += VL) scale_shift_vectors(1, s, c, first, last, VL);
    if (c < s->channels) scale_shift_vectors(1, s, c, first, last, s->channels - c);
  }
}
