import Engine
import Glibc
import Tensors

/// The classification extension: an output as its largest elements, each `"value:index"`, or `"value:index:label"`
/// when the model names its classes.
enum V2Classification {
  static func supports(_ type: ElementType) -> Bool {
    type == .float32 || type == .float64 || (type.isInteger && type.hasJSONForm)
  }

  /// The `classes` largest elements, largest first: BYTES `[batch, classes]`, or `[classes]` when there is no
  /// batch axis. NaN comes last.
  static func top(
    _ classes: Int, of tensor: Tensor, isBatched: Bool, labels: PortLabels? = nil
  ) throws(TensorError) -> Tensor {
    let rows = isBatched && tensor.shape.rank > 0 ? tensor.shape[0] : 1
    let width = rows == 0 ? 0 : tensor.elementCount / rows
    let count = min(classes, width)
    var strings: [String] = []
    strings.reserveCapacity(rows * count)
    for row in 0..<rows {
      for best in top(count, of: tensor, row * width..<(row + 1) * width) {
        strings.append(labels.flatMap { $0.name(best.index) }.map { best.text + ":" + $0 } ?? best.text)
      }
    }
    return try Tensor(shape: isBatched ? [rows, count] : [count], strings: strings)
  }

  private static func top(_ count: Int, of tensor: Tensor, _ range: Range<Int>) -> [Best] {
    switch tensor.type {
    case .float32: top(count, range, tensor, Float.self, isLess: floatOrder) { fixed(Double($0)) }
    case .float64: top(count, range, tensor, Double.self, isLess: floatOrder) { fixed($0) }
    case .int8: top(count, range, tensor, Int8.self, isLess: <) { String($0) }
    case .int16: top(count, range, tensor, Int16.self, isLess: <) { String($0) }
    case .int32: top(count, range, tensor, Int32.self, isLess: <) { String($0) }
    case .int64: top(count, range, tensor, Int64.self, isLess: <) { String($0) }
    case .uint8: top(count, range, tensor, UInt8.self, isLess: <) { String($0) }
    case .uint16: top(count, range, tensor, UInt16.self, isLess: <) { String($0) }
    case .uint32: top(count, range, tensor, UInt32.self, isLess: <) { String($0) }
    case .uint64: top(count, range, tensor, UInt64.self, isLess: <) { String($0) }
    default: []
    }
  }

  private struct Best {
    let text: String
    let index: Int
  }

  private static func floatOrder<Number: BinaryFloatingPoint>(_ a: Number, _ b: Number) -> Bool {
    a.isNaN ? !b.isNaN : a < b
  }

  private static func top<Element: TensorElement>(
    _ count: Int, _ range: Range<Int>, _ tensor: Tensor, _: Element.Type,
    isLess: (Element, Element) -> Bool, text: (Element) -> String
  ) -> [Best] {
    tensor.withElements(Element.self) { elements in
      let row = elements[range]
      let order = row.indices.sorted { isLess(row[$1], row[$0]) || (!isLess(row[$0], row[$1]) && $0 < $1) }
      return order.prefix(count).map { place in
        let index = place - range.lowerBound
        return Best(text: "\(text(row[place])):\(index)", index: index)
      }
    }
  }

  /// Six decimals, as C++ `std::to_string` writes a number.
  private static func fixed(_ value: Double) -> String {
    // The longest double has 309 digits before the point.
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 328) { text in
      withVaList([value]) { _ = vsnprintf(text.baseAddress!, text.count, "%f", $0) }
      return String(cString: text.baseAddress!)
    }
  }
}

extension PortLabels {
  /// The class of a column; nil when the model names fewer.
  fileprivate func name(_ index: Int) -> String? {
    switch self {
    case .integers(let integers): integers.indices.contains(index) ? String(integers[index]) : nil
    case .strings(let strings): strings.indices.contains(index) ? strings[index] : nil
    }
  }
}
