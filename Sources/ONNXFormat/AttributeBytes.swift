#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The byte fields of attributes without Foundation's types, for modules that do without it.
extension Onnx_AttributeProto {
  package var stringBytes: [UInt8] {
    get { [UInt8](s) }
    set { s = Data(newValue) }
  }

  package var stringsBytes: [[UInt8]] {
    get { strings.map { [UInt8]($0) } }
    set { strings = newValue.map { Data($0) } }
  }
}
