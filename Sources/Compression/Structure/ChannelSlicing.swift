import GraphIR
import Tensors

/// Tensors without some positions of an axis.
enum ChannelSlicing {
  /// - Parameter kept: positions on `axis`, in the order that they shall have.
  /// - Throws: `CompressionError.model` for text and for elements smaller than a byte.
  static func keep(_ kept: [Int], axis: Int, of tensor: Tensor) throws(CompressionError) -> Tensor {
    let width = tensor.type.bitWidth / 8
    guard width > 0 else { throw .model("a constant of \(tensor.type.name) cannot lose channels") }
    var shape = tensor.shape
    let outer = shape.product(0..<axis)
    let run = shape.product(axis + 1..<shape.rank) * width
    let extent = shape[axis]
    precondition(kept.allSatisfy { (0..<extent).contains($0) })
    shape[axis] = kept.count
    do {
      var result = try Tensor(type: tensor.type, shape: shape)
      tensor.withBytes { source in
        result.withMutableBytes { target in
          var place = 0
          for block in 0..<outer {
            for position in kept {
              let start = (block * extent + position) * run
              target[place..<place + run].copyBytes(from: source[start..<start + run])
              place += run
            }
          }
        }
      }
      return result
    } catch {
      throw .model("a constant that loses channels: \(error)")
    }
  }

  /// `name` with a number that no other value of the graph has.
  static func freshName(_ name: String, in graph: Graph) -> String {
    let names = Set(graph.values.map(\.name))
    var number = 1
    while names.contains("\(name)_kept\(number)") { number += 1 }
    return "\(name)_kept\(number)"
  }
}
