import Glibc

/// The discrete Fourier transform of one length, in double precision: radix 2 for powers of two, else
/// Bluestein's algorithm (IEEE Trans. Audio Electroacoust. 18, 1970), which makes it a convolution.
struct FourierTransform: Sendable {
  let length: Int
  /// The power of two that is transformed.
  private let padded: Int
  private let cosines: [Double]
  private let sines: [Double]
  /// exp(-iπk²/length), and the spectrum of its conjugate; empty for powers of two.
  private var chirp: [(re: Double, im: Double)] = []
  private var filter: [(re: Double, im: Double)] = []

  /// - Throws: `OperatorFailure.invalid` when the tables would be too large.
  init(length: Int) throws(OperatorFailure) {
    if length < 1 || length > 1 << 40 { throw .invalid("a transform of \(length) elements is not possible") }
    self.length = length
    var size = 1
    while size < length { size *= 2 }
    if size != length { size *= 2 }
    let padded = size
    self.padded = padded
    let angles = (0..<(padded / 2)).map { -2 * Double.pi * Double($0) / Double(padded) }
    cosines = angles.map { cos($0) }
    sines = angles.map { sin($0) }
    if padded == length { return }
    var square = 0
    for index in 0..<length {
      let angle = -Double.pi * Double(square) / Double(length)
      chirp.append((cos(angle), sin(angle)))
      square = (square + 2 * index + 1) % (2 * length)
    }
    var re = [Double](repeating: 0, count: padded)
    var im = re
    for (index, factor) in chirp.enumerated() {
      for place in index == 0 ? [0] : [index, padded - index] {
        (re[place], im[place]) = (factor.re, -factor.im)
      }
    }
    re.withUnsafeMutableBufferPointer { re in
      im.withUnsafeMutableBufferPointer { im in radix2(re.baseAddress!, im.baseAddress!) }
    }
    filter = (0..<padded).map { (re[$0], im[$0]) }
  }

  /// Numbers in each of the two arrays that `run` works on.
  var workCount: Int { padded }

  /// Transforms the first `length` numbers in place; the arrays have `workCount` places. The inverse divides by
  /// the length.
  func run(_ re: UnsafeMutablePointer<Double>, _ im: UnsafeMutablePointer<Double>, inverse: Bool) {
    // The inverse is the transform with real and imaginary parts exchanged.
    if inverse { forward(im, re) } else { forward(re, im) }
    if !inverse { return }
    for index in 0..<length {
      re[index] /= Double(length)
      im[index] /= Double(length)
    }
  }

  private func forward(_ re: UnsafeMutablePointer<Double>, _ im: UnsafeMutablePointer<Double>) {
    if padded == length { return radix2(re, im) }
    for index in 0..<length { multiply(re, im, index, chirp[index]) }
    for index in length..<padded { (re[index], im[index]) = (0, 0) }
    radix2(re, im)
    for index in 0..<padded { multiply(re, im, index, filter[index]) }
    radix2(im, re)
    for index in 0..<length {
      re[index] /= Double(padded)
      im[index] /= Double(padded)
      multiply(re, im, index, chirp[index])
    }
  }

  private func multiply(
    _ re: UnsafeMutablePointer<Double>, _ im: UnsafeMutablePointer<Double>, _ index: Int,
    _ factor: (re: Double, im: Double)
  ) {
    let (a, b) = (re[index], im[index])
    re[index] = a * factor.re - b * factor.im
    im[index] = a * factor.im + b * factor.re
  }

  private func radix2(_ re: UnsafeMutablePointer<Double>, _ im: UnsafeMutablePointer<Double>) {
    var mirrored = 0
    for index in 1..<max(padded, 1) {
      var bit = padded / 2
      while mirrored & bit != 0 {
        mirrored ^= bit
        bit /= 2
      }
      mirrored |= bit
      if index < mirrored {
        (re[index], re[mirrored]) = (re[mirrored], re[index])
        (im[index], im[mirrored]) = (im[mirrored], im[index])
      }
    }
    var half = 1
    while half < padded {
      let stride = padded / (2 * half)
      for start in Swift.stride(from: 0, to: padded, by: 2 * half) {
        for index in 0..<half {
          let (c, s) = (cosines[index * stride], sines[index * stride])
          let (low, high) = (start + index, start + index + half)
          let (a, b) = (re[high] * c - im[high] * s, re[high] * s + im[high] * c)
          (re[high], im[high]) = (re[low] - a, im[low] - b)
          re[low] += a
          im[low] += b
        }
      }
      half *= 2
    }
  }
}
