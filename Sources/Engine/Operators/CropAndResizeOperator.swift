import GraphIR
import Tensors

/// `com.microsoft.CropAndResize`: boxes of images, with corners in parts of the image's size, resized to one size.
struct CropAndResizeOperator: ShapedOperator {
  let attributes: CropAndResizeAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let image = try request.input(0).shape
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let crop = Crop(attributes: attributes, image: image, height: output[2], width: output[3])
    let (batch, channels) = (image[0], image[1])
    return Kernel(
      "crop_and_resize", units: output[0] * channels, costPerUnit: output[2] * output[3] * 8,
      threads: request.threads
    ) { operands, range in
      for unit in range {
        let (box, channel) = unit.quotientAndRemainder(dividingBy: channels)
        let index = Int(operands.input(2, as: Int32.self)[box])
        if index < 0 || index >= batch {
          throw OperatorFailure.invalid("image \(index) is out of range for \(batch) images")
        }
        crop.run(
          operands.input(0, as: Float.self) + (index * channels + channel) * image[2] * image[3],
          box: operands.input(1, as: Float.self) + box * 4,
          into: operands.output(0, as: Float.self) + unit * crop.height * crop.width)
      }
    }
  }

  private struct Crop {
    let attributes: CropAndResizeAttributes
    let image: Shape
    let height: Int
    let width: Int

    /// - Parameter box: y1, x1, y2, x2
    func run(
      _ source: UnsafePointer<Float>, box: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>
    ) {
      for row in 0..<height {
        let y = place(row, of: height, from: box[0], to: box[2], extent: image[2])
        for column in 0..<width {
          let x = place(column, of: width, from: box[1], to: box[3], extent: image[3])
          target[row * width + column] = sample(source, y, x)
        }
      }
    }

    private func place(_ index: Int, of count: Int, from start: Float, to end: Float, extent: Int) -> Float {
      let last = Float(extent - 1)
      if count == 1 { return 0.5 * (start + end) * last }
      return start * last + Float(index) * ((end - start) * last / Float(count - 1))
    }

    private func sample(_ source: UnsafePointer<Float>, _ y: Float, _ x: Float) -> Float {
      let isInside = y >= 0 && y <= Float(image[2] - 1) && x >= 0 && x <= Float(image[3] - 1)
      if !isInside { return attributes.outside }
      if attributes.mode == .nearest {
        return source[
          Int(y.rounded(.toNearestOrAwayFromZero)) * image[3] + Int(x.rounded(.toNearestOrAwayFromZero))]
      }
      let (top, bottom) = (Int(y.rounded(.down)) * image[3], Int(y.rounded(.up)) * image[3])
      let (left, right) = (Int(x.rounded(.down)), Int(x.rounded(.up)))
      let (down, across) = (y - y.rounded(.down), x - x.rounded(.down))
      let above = source[top + left] + (source[top + right] - source[top + left]) * across
      let below = source[bottom + left] + (source[bottom + right] - source[bottom + left]) * across
      return above + (below - above) * down
    }
  }
}
