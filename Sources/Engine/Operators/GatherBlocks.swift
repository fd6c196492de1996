import GraphIR
import Tensors

/// `com.microsoft.GatherBlockQuantized`: Gather from a table of 2, 4 or 8 bits, dequantized on the way. An index
/// beyond the table gives zeros.
struct GatherBlocks: ShapedOperator {
  // data, indices, scales, zero_points
  private enum Input { static let (data, indices, scales, zeroPoints) = (0, 1, 2, 3) }

  let attributes: GatherBlocksAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let data = try request.input(Input.data)
    let layout = try attributes.layout(request.node, data.shape, data.element)
    let indices = try request.input(Input.indices)
    let index = try IndexReader(indices)
    let table = Table(
      layout: layout, blockSize: attributes.blockSize, isSigned: data.element == .int4,
      hasZeroPoints: request.hasInput(Input.zeroPoints))
    let extent = layout.extents[layout.gatherAxis]
    let outer = layout.extents[..<layout.gatherAxis].reduce(1, *)
    let inner = layout.extents[(layout.gatherAxis + 1)...].reduce(1, *)
    let count = indices.elementCount
    if outer * count * inner == 0 { return .nothing }
    return Kernel(
      "gather_blocks", units: outer * count, costPerUnit: inner * 8, threads: request.threads
    ) { operands, units in
      let output: UnsafeMutablePointer<Float> = operands.output()
      for unit in units {
        let given = index(operands, Input.indices, unit % count)
        let place = given < 0 ? given &+ extent : given
        let target = output + unit * inner
        if place < 0 || place >= extent {
          target.update(repeating: 0, count: inner)
        } else {
          table.read(operands, from: (unit / count * extent + place) * inner, count: inner, into: target)
        }
      }
    }
  }

  private struct Table {
    let layout: GatherBlocksAttributes.Layout
    let blockSize: Int
    let isSigned: Bool
    let hasZeroPoints: Bool
    /// Numbers of the data from one place on the quantized axis to the next, and that axis's extents.
    private let step: Int
    private let extent: Int
    private let blocks: Int

    init(layout: GatherBlocksAttributes.Layout, blockSize: Int, isSigned: Bool, hasZeroPoints: Bool) {
      self.layout = layout
      self.blockSize = blockSize
      self.isSigned = isSigned
      self.hasZeroPoints = hasZeroPoints
      step = layout.extents[(layout.quantizeAxis + 1)...].reduce(1, *)
      extent = layout.extents[layout.quantizeAxis]
      blocks = layout.scales[layout.quantizeAxis]
    }

    func read(
      _ operands: KernelOperands, from start: Int, count: Int, into target: UnsafeMutablePointer<Float>
    ) {
      let data: UnsafePointer<UInt8> = operands.input(Input.data)
      let scales: UnsafePointer<Float> = operands.input(Input.scales)
      for index in 0..<count {
        let position = start + index
        let (line, place) = (position / step).quotientAndRemainder(dividingBy: extent)
        let parameter = (line * blocks + place / blockSize) * step + position % step
        let code = number(data, position)
        target[index] = Float(code - zeroPoint(operands, parameter)) * scales[parameter]
      }
    }

    private func number(_ bytes: UnsafePointer<UInt8>, _ index: Int) -> Int {
      let code = BitCode.read(bytes, index, bits: layout.bits)
      return isSigned && code > 7 ? code - 16 : code
    }

    private func zeroPoint(_ operands: KernelOperands, _ parameter: Int) -> Int {
      if !hasZeroPoints { return layout.packsRows ? 1 << (layout.bits - 1) : 0 }
      let bytes: UnsafePointer<UInt8> = operands.input(Input.zeroPoints)
      if !layout.packsRows { return number(bytes, parameter) }
      let (row, column) = parameter.quotientAndRemainder(dividingBy: layout.scales[layout.scales.count - 1])
      return BitCode.read(
        bytes + row * layout.zeroPoints[layout.zeroPoints.count - 1], column, bits: layout.bits)
    }
  }
}
