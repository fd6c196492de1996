import GraphIR
import Tensors

/// A matrix of features, one row for each sample, as an operand. A tensor of one axis is one sample.
struct FeatureShape {
  let rows: Int
  let columns: Int

  init(_ shape: Shape) throws {
    if shape.rank < 1 || shape.rank > 2 { throw OperatorFailure.invalid("features have shape \(shape)") }
    rows = shape.rank == 2 ? shape[0] : 1
    columns = shape[shape.rank - 1]
  }
}

/// Reads features of any number type as float32, which is what classical models compute with.
struct FeatureReader {
  let element: ElementType
  let columns: Int

  /// Bytes of scratch memory that a thread needs to read `rows` rows at once.
  func scratchBytes(rows: Int) -> Int {
    element == .float32 ? 0 : rows * columns * MemoryLayout<Float>.stride
  }

  /// `count` rows from row `first`: in place when they are float32, else in `scratch`.
  @inline(__always)
  func rows(
    _ first: Int, _ count: Int, of features: UnsafeRawPointer, scratch: UnsafeMutableRawPointer
  ) -> UnsafePointer<Float> {
    let start = first * columns
    if element == .float32 { return features.assumingMemoryBound(to: Float.self) + start }
    let copy = scratch.assumingMemoryBound(to: Float.self)
    Self.convert(features, element, start..<(start + count * columns), to: copy)
    return UnsafePointer(copy)
  }

  static func convert(
    _ source: UnsafeRawPointer, _ element: ElementType, _ range: Range<Int>,
    to target: UnsafeMutablePointer<Float>
  ) {
    switch element {
    case .float32: convert(source, Float.self, range, target)
    case .float64: convert(source, Double.self, range, target) { Float($0) }
    case .int64: convert(source, Int64.self, range, target)
    case .int32: convert(source, Int32.self, range, target)
    // The rules of these operators let no other type through.
    default: preconditionFailure("features of type \(element.name)")
    }
  }

  private static func convert<Element: BinaryInteger>(
    _ source: UnsafeRawPointer, _: Element.Type, _ range: Range<Int>, _ target: UnsafeMutablePointer<Float>
  ) {
    convert(source, Element.self, range, target) { Float($0) }
  }

  private static func convert(
    _ source: UnsafeRawPointer, _: Float.Type, _ range: Range<Int>, _ target: UnsafeMutablePointer<Float>
  ) {
    target.update(from: source.assumingMemoryBound(to: Float.self) + range.lowerBound, count: range.count)
  }

  @inline(__always)
  private static func convert<Element>(
    _ source: UnsafeRawPointer, _: Element.Type, _ range: Range<Int>, _ target: UnsafeMutablePointer<Float>,
    _ number: (Element) -> Float
  ) {
    let elements = source.assumingMemoryBound(to: Element.self)
    for (place, index) in range.enumerated() { target[place] = number(elements[index]) }
  }
}

extension Tensor {
  /// Every element as float64, which holds each narrower number exactly.
  func doubles() throws -> [Double] {
    if type == .float16 { return array(of: Float16.self).map(Double.init) }
    return try type.withArithmetic(DoubleReader(tensor: self))
  }
}

private struct DoubleReader: ArithmeticVisitor {
  let tensor: Tensor
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> [Double] {
    tensor.array(of: Element.self).map(\.asDouble)
  }
}
