import GraphIR
import Tensors

extension EngineTable {
  static let detectionOperators: [OperatorEntry] = [
    OperatorEntry(dynamic: "NonMaxSuppression") { source in
      NonMaxSuppressionOperator(isCentered: try source.node.flag("center_point_box"))
    },
    OperatorEntry("RoiAlign", types: .floats) { source in
      let attributes = try RoiAlignAttributes(source.node)
      if source.element(0) == .float32 { return RoiAlignOperator<Float>(attributes: attributes) }
      return RoiAlignOperator<Double>(attributes: attributes)
    },
    OperatorEntry("MaxRoiPool", types: .floats) { source in
      let attributes = try MaxRoiPoolAttributes(source.node)
      if source.element(0) == .float32 { return MaxRoiPoolOperator<Float>(attributes: attributes) }
      return MaxRoiPoolOperator<Double>(attributes: attributes)
    },
  ]
}

/// `NonMaxSuppression`: for each batch and class the best boxes that do not overlap a better one too much.
struct NonMaxSuppressionOperator: DynamicOperator {
  let isCentered: Bool

  private struct Box {
    var top, left, bottom, right: Float

    var area: Float { (bottom - top) * (right - left) }

    func overlap(_ other: Box) -> Float {
      let height = min(bottom, other.bottom) - max(top, other.top)
      let width = min(right, other.right) - max(left, other.left)
      if !(height > 0) || !(width > 0) { return 0 }
      let common = height * width
      let all = area + other.area - common
      return area > 0 && other.area > 0 && all > 0 ? common / all : 0
    }
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    guard let boxes = inputs[0]?.tensor, let scores = inputs[1]?.tensor, boxes.type == .float32,
      scores.type == .float32, boxes.shape.rank == 3, scores.shape.rank == 3, boxes.shape[2] == 4,
      boxes.shape[0] == scores.shape[0], boxes.shape[1] == scores.shape[2]
    else { throw OperatorFailure.invalid("boxes and scores do not fit each other") }
    let limit = try first(inputs, 2, Int.self) ?? 0
    let overlapLimit = try first(inputs, 3, Float.self) ?? 0
    let scoreLimit = try first(inputs, 4, Float.self)
    if limit < 0 { throw OperatorFailure.invalid("the number of boxes to select is \(limit)") }
    let allScores = scores.array(of: Float.self)
    let count = boxes.shape[1]
    let classes = scores.shape[1]
    var selected: [Int] = []
    for batch in 0..<boxes.shape[0] {
      let boxes = decode(boxes.array(of: Float.self)[(batch * count * 4)..<((batch + 1) * count * 4)])
      for category in 0..<classes {
        let start = (batch * classes + category) * count
        let scores = allScores[start..<(start + count)]
        for box in Self.select(boxes, Array(scores), limit, overlapLimit, scoreLimit) {
          selected += [batch, category, box]
        }
      }
    }
    return [.tensor(try Tensor(shape: [selected.count / 3, 3], selected))]
  }

  private static func select(
    _ boxes: [Box], _ scores: [Float], _ limit: Int, _ overlapLimit: Float, _ scoreLimit: Float?
  ) -> [Int] {
    if limit == 0 { return [] }
    var candidates = scores.indices.filter { index in
      scoreLimit.map { scores[index] > $0 } ?? !scores[index].isNaN
    }
    candidates.sort { scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1] }
    var kept: [Int] = []
    for candidate in candidates {
      if kept.contains(where: { boxes[$0].overlap(boxes[candidate]) > overlapLimit }) { continue }
      kept.append(candidate)
      if kept.count == limit { break }
    }
    return kept
  }

  private func decode(_ numbers: ArraySlice<Float>) -> [Box] {
    stride(from: numbers.startIndex, to: numbers.endIndex, by: 4).map { at in
      let (a, b, c, d) = (numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3])
      if isCentered {
        return Box(top: b - d / 2, left: a - c / 2, bottom: b + d / 2, right: a + c / 2)
      }
      // Any two opposite corners name the box.
      return Box(top: min(a, c), left: min(b, d), bottom: max(a, c), right: max(b, d))
    }
  }

  private func first<Element: TensorElement>(
    _ inputs: [RuntimeValue?], _ index: Int, _: Element.Type
  ) throws -> Element? {
    guard index < inputs.count, let value = inputs[index] else { return nil }
    guard let tensor = value.tensor, tensor.type == Element.elementType, tensor.elementCount <= 1 else {
      throw OperatorFailure.invalid("input \(index) must be one \(Element.elementType.name)")
    }
    return tensor.array(of: Element.self).first
  }
}

/// `RoiAlign`: bilinear samples of each region, averaged or their largest, in bins.
/// He et al., Mask R-CNN, 2017. Modes and rounding are those of ONNX's reference.
private struct RoiAlignOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let attributes: RoiAlignAttributes
  /// More samples than this along one axis of a bin are refused: a region far larger than any image.
  static var sampleLimit: Int { 1 << 12 }

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    let (batch, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    if height * width == 0 { throw OperatorFailure.invalid("the image is empty") }
    let attributes = attributes
    return Kernel(
      "roi_align", units: output[0] * channels, costPerUnit: output[2] * output[3] * 16,
      threads: request.threads
    ) { operands, range in
      let rois: UnsafePointer<Element> = operands.input(1)
      let indices: UnsafePointer<Int> = operands.input(2)
      for unit in range {
        let (roi, channel) = unit.quotientAndRemainder(dividingBy: channels)
        let image = indices[roi]
        if image < 0 || image >= batch {
          throw OperatorFailure.invalid("region \(roi) belongs to image \(image) of \(batch)")
        }
        let plane = Plane(
          pixels: operands.input(0, as: Element.self) + (image * channels + channel) * height * width,
          height: height, width: width)
        let result = operands.output(0, as: Element.self) + unit * attributes.height * attributes.width
        let y = try Axis(rois[roi * 4 + 1], rois[roi * 4 + 3], attributes.height, attributes)
        let x = try Axis(rois[roi * 4], rois[roi * 4 + 2], attributes.width, attributes)
        for row in 0..<attributes.height {
          for column in 0..<attributes.width {
            result[row * attributes.width + column] = plane.bin(
              y, row, x, column, isMaximum: attributes.mode == .max)
          }
        }
      }
    }
  }

  /// The samples along one axis of a region.
  private struct Axis {
    let start: Element
    let bin: Element
    let samples: Int

    init(_ from: Element, _ to: Element, _ bins: Int, _ attributes: RoiAlignAttributes) throws {
      let scale = Element(attributes.scale)
      let offset: Element = attributes.transformation == .halfPixel ? 0.5 : 0
      start = from * scale - offset
      var length = to * scale - offset - start
      if attributes.transformation != .halfPixel { length = Swift.max(length, 1) }
      bin = length / Element(bins)
      let wanted = attributes.samplingRatio > 0 ? Element(attributes.samplingRatio) : bin.rounded(.up)
      guard start.isFinite, bin.isFinite, wanted <= Element(RoiAlignOperator.sampleLimit) else {
        throw OperatorFailure.invalid("a region from \(from) to \(to) is too large")
      }
      samples = Swift.max(0, Int(wanted))
    }

    func place(_ index: Int, _ sample: Int) -> Element {
      start + Element(index) * bin + (Element(sample) + 0.5) * bin / Element(samples)
    }
  }

  private struct Plane {
    let pixels: UnsafePointer<Element>
    let height: Int
    let width: Int

    func bin(_ y: Axis, _ row: Int, _ x: Axis, _ column: Int, isMaximum: Bool) -> Element {
      var sum: Element = 0
      var largest: Element?
      for i in 0..<y.samples {
        for j in 0..<x.samples {
          let parts = self.parts(y.place(row, i), x.place(column, j))
          if isMaximum {
            let part = Swift.max(Swift.max(parts.0, parts.1), Swift.max(parts.2, parts.3))
            largest = largest.map { Swift.max($0, part) } ?? part
          } else {
            sum += parts.0 + parts.1 + parts.2 + parts.3
          }
        }
      }
      if isMaximum { return largest ?? 0 }
      return sum / Element(Swift.max(y.samples * x.samples, 1))
    }

    /// The four neighbours' shares of the pixel at (y, x); zeros outside.
    private func parts(_ y: Element, _ x: Element) -> (Element, Element, Element, Element) {
      if y < -1 || y > Element(height) || x < -1 || x > Element(width) { return (0, 0, 0, 0) }
      let (top, bottom, fy) = Self.neighbours(y, height)
      let (left, right, fx) = Self.neighbours(x, width)
      return (
        (1 - fy) * (1 - fx) * pixels[top * width + left], (1 - fy) * fx * pixels[top * width + right],
        fy * (1 - fx) * pixels[bottom * width + left], fy * fx * pixels[bottom * width + right]
      )
    }

    private static func neighbours(_ place: Element, _ extent: Int) -> (Int, Int, Element) {
      let place = Swift.max(place, 0)
      let low = Int(place)
      if low >= extent - 1 { return (extent - 1, extent - 1, 0) }
      return (low, low + 1, place - Element(low))
    }
  }
}

/// `MaxRoiPool`: the largest pixel of each bin of each region. Girshick, Fast R-CNN, 2015.
private struct MaxRoiPoolOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let attributes: MaxRoiPoolAttributes

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    let (batch, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let attributes = attributes
    return Kernel(
      "max_roi_pool", units: output[0] * channels, costPerUnit: output[2] * output[3] * 16,
      threads: request.threads
    ) { operands, range in
      let rois: UnsafePointer<Element> = operands.input(1)
      for unit in range {
        let (roi, channel) = unit.quotientAndRemainder(dividingBy: channels)
        let numbers = rois + roi * 5
        guard let image = Int(exactly: numbers[0].rounded(.towardZero)), image >= 0, image < batch else {
          throw OperatorFailure.invalid("region \(roi) belongs to image \(numbers[0]) of \(batch)")
        }
        let pixels = operands.input(0, as: Element.self) + (image * channels + channel) * height * width
        let result = operands.output(0, as: Element.self) + unit * attributes.height * attributes.width
        for row in 0..<attributes.height {
          let rows = try bin(row, of: attributes.height, numbers[2], numbers[4], extent: height)
          for column in 0..<attributes.width {
            let columns = try bin(column, of: attributes.width, numbers[1], numbers[3], extent: width)
            var largest: Element?
            for y in rows {
              for x in columns {
                largest = largest.map { Element.greater($0, pixels[y * width + x]) } ?? pixels[y * width + x]
              }
            }
            result[row * attributes.width + column] = largest ?? 0
          }
        }
      }
    }
  }

  private func bin(_ index: Int, of bins: Int, _ from: Element, _ to: Element, extent: Int) throws -> Range<
    Int
  > {
    let scale = Element(attributes.scale)
    let start = (from * scale).rounded()
    let end = (to * scale).rounded()
    let size = Swift.max(end - start + 1, 1) / Element(bins)
    let low = (Element(index) * size).rounded(.down) + start
    let high = (Element(index + 1) * size).rounded(.up) + start
    guard low.isFinite, high.isFinite else { throw OperatorFailure.invalid("a region is not finite") }
    let first = Int(Swift.min(Swift.max(low, 0), Element(extent)))
    return first..<Swift.max(first, Int(Swift.min(Swift.max(high, 0), Element(extent))))
  }
}
