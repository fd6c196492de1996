import GraphIR
import Tensors

extension EngineTable {
  static let searchOperators: [OperatorEntry] =
    ["ArgMax", "ArgMin"].map { name in
      OperatorEntry(OperatorName(type: name), types: .numbers) { source in
        let attributes = try ArgAttributes(source.node)
        return try source.element(0, in: .numbers).withArithmetic(
          ArgFactory(attributes: attributes, isLargest: name == "ArgMax"))
      }
    } + [
      OperatorEntry("TopK", types: .numbers) { source in
        try source.element(0, in: .numbers).withArithmetic(
          TopKFactory(attributes: try TopKAttributes(source.node)))
      },
      OperatorEntry("Hardmax", types: .floats) { source in
        let axis = try source.node.int("axis", default: -1)
        if source.element(0) == .float32 { return HardmaxOperator<Float>(axis: axis) }
        return HardmaxOperator<Double>(axis: axis)
      },
    ]
}

private struct ArgFactory: ArithmeticVisitor {
  let attributes: ArgAttributes
  let isLargest: Bool
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    ArgOperator<Element>(attributes: attributes, isLargest: isLargest)
  }
}

/// `ArgMax` and `ArgMin`: the place of the first or last extreme element; a NaN is never one unless it comes first.
private struct ArgOperator<Element: ArithmeticElement>: ShapedOperator {
  let attributes: ArgAttributes
  let isLargest: Bool

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  @_specialize(where Element == Int8)
  @_specialize(where Element == UInt8)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let view = try AxisView(try request.input(0).shape, axis: attributes.axis)
    let lines = view.outer * view.inner
    if lines == 0 { return .nothing }
    let (isLargest, selectsLast) = (isLargest, attributes.selectsLast)
    return Kernel("arg", units: lines, costPerUnit: view.extent * 2, threads: request.threads) {
      operands, range in
      let result: UnsafeMutablePointer<Int> = operands.output()
      for line in range {
        let x = operands.input(0, as: Element.self) + view.start(of: line)
        var best = 0
        var value = x[0]
        for index in 1..<max(view.extent, 1) {
          let candidate = x[index * view.inner]
          let isBetter = isLargest ? candidate > value : candidate < value
          if isBetter || (selectsLast && candidate == value) {
            best = index
            value = candidate
          }
        }
        result[line] = best
      }
    }
  }
}

/// `Hardmax`: 1 for the first largest element along the axis, 0 for the others.
private struct HardmaxOperator<Element: ArithmeticElement>: ShapedOperator {
  let axis: Int

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let view = try AxisView(try request.input(0).shape, axis: axis)
    let lines = view.outer * view.inner
    if lines * view.extent == 0 { return .nothing }
    return Kernel("hardmax", units: lines, costPerUnit: view.extent * 2, threads: request.threads) {
      operands, range in
      for line in range {
        let x = operands.input(0, as: Element.self) + view.start(of: line)
        let y = operands.output(0, as: Element.self) + view.start(of: line)
        var best = 0
        for index in 0..<view.extent where x[index * view.inner] > x[best * view.inner] { best = index }
        for index in 0..<view.extent { y[index * view.inner] = index == best ? Element.one : Element.zero }
      }
    }
  }
}

private struct TopKFactory: ArithmeticVisitor {
  let attributes: TopKAttributes
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    TopKOperator<Element>(attributes: attributes)
  }
}

/// `TopK`: of equal elements the earlier one comes first; a NaN counts as larger than every number.
/// The results are sorted even when the model does not ask for it.
private struct TopKOperator<Element: ArithmeticElement>: ShapedOperator {
  let attributes: TopKAttributes

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    let view = try AxisView(input, axis: attributes.axis)
    let result = try AxisView(try request.output().shape, axis: attributes.axis)
    let k = result.extent
    if k * view.outer * view.inner == 0 { return .nothing }
    let isLargest = attributes.isLargest
    return Kernel(
      "top_k", units: view.outer * view.inner, costPerUnit: view.extent * 4, threads: request.threads,
      threadScratch: k * MemoryLayout<Int>.stride
    ) { operands, range in
      let heap = operands.threadScratch.assumingMemoryBound(to: Int.self)
      for line in range {
        let source = operands.input(0, as: Element.self) + view.start(of: line)
        var selection = Selection(
          heap: heap, count: k, source: source, step: view.inner, isLargest: isLargest)
        selection.run(extent: view.extent)
        let start = result.start(of: line)
        let values = operands.output(0, as: Element.self) + start
        let indices = operands.output(1, as: Int.self) + start
        for rank in 0..<k {
          values[rank * result.inner] = source[heap[rank] * view.inner]
          indices[rank * result.inner] = heap[rank]
        }
      }
    }
  }

  /// The `count` best positions of a line, in a heap with the worst of them on top, then sorted.
  private struct Selection {
    let heap: UnsafeMutablePointer<Int>
    let count: Int
    let source: UnsafePointer<Element>
    let step: Int
    let isLargest: Bool

    mutating func run(extent: Int) {
      for index in 0..<count { heap[index] = index }
      for root in stride(from: count / 2 - 1, through: 0, by: -1) { sink(root, count) }
      for index in count..<max(count, extent) where isBefore(index, heap[0]) {
        heap[0] = index
        sink(0, count)
      }
      for end in stride(from: count - 1, to: 0, by: -1) {
        (heap[0], heap[end]) = (heap[end], heap[0])
        sink(0, end)
      }
    }

    /// Moves the position at `root` down until it is worse than those below it.
    private func sink(_ root: Int, _ end: Int) {
      var parent = root
      while 2 * parent + 1 < end {
        var child = 2 * parent + 1
        if child + 1 < end && isBefore(heap[child], heap[child + 1]) { child += 1 }
        if !isBefore(heap[parent], heap[child]) { return }
        (heap[parent], heap[child]) = (heap[child], heap[parent])
        parent = child
      }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
      let (a, b) = (source[left * step], source[right * step])
      if isGreater(a, b) { return isLargest }
      if isGreater(b, a) { return !isLargest }
      return left < right
    }

    private func isGreater(_ a: Element, _ b: Element) -> Bool { a > b || (a != a && b == b) }
  }
}
