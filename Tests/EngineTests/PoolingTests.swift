import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct PoolingTests {
  /// Height and width of the image, kernel, stride, padding.
  struct Case: Sendable, CustomTestStringConvertible {
    let (height, width, kernel, stride, padding): (Int, Int, Int, Int, Int)

    init(_ height: Int, _ width: Int, kernel: Int, stride: Int, padding: Int = 0) {
      (self.height, self.width, self.kernel, self.stride, self.padding) = (
        height, width, kernel, stride, padding
      )
    }
    var testDescription: String {
      "\(height)x\(width), kernel \(kernel), stride \(stride), padding \(padding)"
    }
    func outputs(_ extent: Int) -> Int { (extent + 2 * padding - kernel) / stride + 1 }
  }

  static let cases = [
    Case(8, 8, kernel: 2, stride: 2), Case(4, 4, kernel: 2, stride: 2), Case(7, 8, kernel: 2, stride: 2),
    Case(8, 7, kernel: 2, stride: 2), Case(8, 8, kernel: 2, stride: 2, padding: 1),
    Case(9, 9, kernel: 3, stride: 3), Case(9, 9, kernel: 3, stride: 2), Case(2, 70, kernel: 2, stride: 2),
    Case(6, 5, kernel: 1, stride: 2), Case(6, 6, kernel: 2, stride: 1),
  ]

  /// Planes are pooled each for itself, however many there are and whoever computes them.
  @Test(arguments: cases, [1, 3]) func maxPoolOfManyPlanes(_ test: Case, threads: Int) throws {
    var numbers = NumberSequence(seed: 31)
    let (images, channels) = (37, 11)
    let x = try numbers.tensor([images, channels, test.height, test.width])
    var builder = GraphBuilder()
    let input = builder.input(
      "x", .float32, [.symbol("n"), .known(channels), .known(test.height), .known(test.width)])
    builder.output(
      builder.node(
        "MaxPool", [input],
        attributes: [
          "kernel_shape": .ints([test.kernel, test.kernel]), "strides": .ints([test.stride, test.stride]),
          "pads": .ints(Array(repeating: test.padding, count: 4)),
        ])[0])
    let session = Session(try builder.program(), team: ThreadTeam(threads: threads))
    let actual = try session.run([x])[0].array(of: Float.self)
    #expect(actual == Self.reference(x.array(of: Float.self), planes: images * channels, test))
  }

  private static func reference(_ x: [Float], planes: Int, _ test: Case) -> [Float] {
    var result: [Float] = []
    for plane in 0..<planes {
      for row in 0..<test.outputs(test.height) {
        for column in 0..<test.outputs(test.width) {
          var greatest = -Float.greatestFiniteMagnitude
          for tap in 0..<test.kernel * test.kernel {
            let y = row * test.stride - test.padding + tap / test.kernel
            let x0 = column * test.stride - test.padding + tap % test.kernel
            if y < 0 || y >= test.height || x0 < 0 || x0 >= test.width { continue }
            greatest = max(greatest, x[(plane * test.height + y) * test.width + x0])
          }
          result.append(greatest)
        }
      }
    }
    return result
  }
}
