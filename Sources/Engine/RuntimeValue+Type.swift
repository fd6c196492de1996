import GraphIR
import Tensors

extension RuntimeValue {
  /// Whether the value is of the kind and element type that `type` says. Extents are not looked at. An optional's
  /// element may stand for the optional.
  func fits(_ type: ValueType) -> Bool {
    switch (type, self) {
    case (.tensor(let type), .tensor(let tensor)): tensor.type == type.element
    case (.sequence(let element), .sequence(let values)): values.allSatisfy { $0.fits(element) }
    case (.map(let key, .tensor(let value)), .map(let keys, let values)):
      keys.type == key && values.type == value.element
    case (.optional, .optional(nil)): true
    case (.optional(let element), .optional(let value?)): value.fits(element)
    case (.optional(let element), _): fits(element)
    default: false
    }
  }

  /// For messages.
  var typeName: String {
    switch self {
    case .tensor(let tensor): tensor.type.name
    case .optional(nil): "an empty optional"
    case .optional(let value?): "an optional of \(value.typeName)"
    case .map(let keys, let values): "a map from \(keys.type.name) to \(values.type.name)"
    case .sequence(let values): "a sequence of \(values.first?.typeName ?? "nothing")"
    }
  }
}
