/// The weight of a convolution over an image without groups, `[outputs, inputs, height, width]`, row-major.
struct ConvolutionKernel: Sendable {
  let outputs: Int
  let inputs: Int
  let height: Int
  let width: Int
  var elements: [Float]

  var taps: Int { height * width }
  var count: Int { elements.count }

  init(outputs: Int, inputs: Int, height: Int, width: Int, elements: [Float]) {
    precondition(elements.count == outputs * inputs * height * width)
    self.outputs = outputs
    self.inputs = inputs
    self.height = height
    self.width = width
    self.elements = elements
  }

  subscript(output: Int, input: Int, y: Int, x: Int) -> Float {
    get { elements[((output * inputs + input) * height + y) * width + x] }
    set { elements[((output * inputs + input) * height + y) * width + x] = newValue }
  }

  /// A kernel whose elements `element` gives.
  init(
    _ outputs: Int, _ inputs: Int, _ height: Int, _ width: Int, _ element: (Int, Int, Int, Int) -> Float
  ) {
    var elements: [Float] = []
    elements.reserveCapacity(outputs * inputs * height * width)
    for output in 0..<outputs {
      for input in 0..<inputs {
        for y in 0..<height {
          for x in 0..<width { elements.append(element(output, input, y, x)) }
        }
      }
    }
    self.init(outputs: outputs, inputs: inputs, height: height, width: width, elements: elements)
  }

  /// As a matrix `[inputs · height · width, outputs]`: what im2col rows are multiplied with.
  var matrix: [Float] {
    var result = [Float](repeating: 0, count: count)
    let depth = inputs * taps
    for output in 0..<outputs {
      for k in 0..<depth { result[k * outputs + output] = elements[output * depth + k] }
    }
    return result
  }
}
