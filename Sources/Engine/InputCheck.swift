import GraphIR
import Tensors

/// Checks the shapes that a caller gives against the program's inputs.
enum InputCheck {
  /// - Throws: `.inputCount`, `.inputShape`.
  static func shapes(_ shapes: [Shape], _ program: Program) throws(EngineError) {
    // The node of a sub-graph gives tensors that are there already, whatever extents the sub-graph declares.
    if program.isBody { return }
    if shapes.count != program.inputs.count {
      throw .inputCount(expected: program.inputs.count, actual: shapes.count)
    }
    // What each named extent was first bound to.
    var bindings: [String: Int] = [:]
    for (port, shape) in zip(program.inputs, shapes) where port.isTensor && !port.isOptional {
      guard fits(shape, port.dimensions, &bindings) else {
        let expected = port.dimensions.map { "[" + $0.map(\.description).joined(separator: ",") + "]" }
        throw .inputShape(name: port.name, expected: expected ?? "any", actual: shape.description)
      }
      guard let count = shape.checkedElementCount, let bytes = port.element.byteCount(elements: count),
        bytes <= program.options.tensorLimit
      else { throw .memoryLimit(bytes: Int.max, limit: program.options.tensorLimit) }
    }
  }

  /// What optional inputs hold, which has no place among the shapes of a plan.
  /// - Throws: `.inputShape`.
  static func optionals(_ values: [RuntimeValue], _ program: Program) throws(EngineError) {
    var bindings: [String: Int] = [:]
    for (port, value) in zip(program.inputs, values) where port.isTensor && port.isOptional {
      var value = value
      while case .optional(let inner?) = value { value = inner }
      guard let shape = value.tensor?.shape, !fits(shape, port.dimensions, &bindings) else { continue }
      let expected = port.dimensions.map { "[" + $0.map(\.description).joined(separator: ",") + "]" }
      throw .inputShape(name: port.name, expected: expected ?? "any", actual: shape.description)
    }
  }

  private static func fits(_ shape: Shape, _ dimensions: [Dimension]?, _ bindings: inout [String: Int])
    -> Bool
  {
    guard let dimensions else { return true }
    if shape.rank != dimensions.count { return false }
    for (extent, dimension) in zip(shape.dimensions, dimensions) {
      switch dimension {
      case .known(let expected): if extent != expected { return false }
      case .symbol(let name):
        if let bound = bindings.updateValue(extent, forKey: name), bound != extent { return false }
      case .unknown: break
      }
      if extent < 0 { return false }
    }
    return true
  }
}
