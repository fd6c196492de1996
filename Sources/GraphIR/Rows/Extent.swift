/// An extent or a size as a product of a number, of names for what does not depend on the batch, and of the batch
/// size to some power. Products are all that reshapes need, and they can be compared and divided.
struct Extent: Equatable, Sendable {
  var coefficient = 1
  /// Sorted; a name may occur more than once.
  var factors: [String] = []
  /// How often the batch size is a factor.
  var batchPower = 0

  static let one = Extent()
  static let batch = Extent(batchPower: 1)

  init(_ number: Int = 1, factors: [String] = [], batchPower: Int = 0) {
    coefficient = number
    self.factors = factors
    self.batchPower = batchPower
  }

  /// The number when nothing else is in it.
  var number: Int? { factors.isEmpty && batchPower == 0 ? coefficient : nil }
  var isFree: Bool { batchPower == 0 }

  /// nil when the number overflows.
  func times(_ other: Extent) -> Extent? {
    let (product, overflow) = coefficient.multipliedReportingOverflow(by: other.coefficient)
    if overflow { return nil }
    return Extent(
      product, factors: (factors + other.factors).sorted(), batchPower: batchPower + other.batchPower)
  }

  /// The quotient; nil when the division is not sure to leave no rest.
  func divided(by other: Extent) -> Extent? {
    guard other.coefficient != 0, coefficient % other.coefficient == 0, batchPower >= other.batchPower else {
      return nil
    }
    var left = factors
    for factor in other.factors {
      guard let position = left.firstIndex(of: factor) else { return nil }
      left.remove(at: position)
    }
    return Extent(
      coefficient / other.coefficient, factors: left, batchPower: batchPower - other.batchPower)
  }

  static func product(_ extents: some Sequence<Extent>) -> Extent? {
    var result: Extent? = .one
    for extent in extents { result = result?.times(extent) }
    return result
  }
}
