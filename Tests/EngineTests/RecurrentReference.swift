import Glibc
import GraphIR
import Tensors

/// The equations of the ONNX specification, one batch entry after the other.
struct RecurrentReference {
  let item: RecurrentTests.Case
  let inputSize: Int
  let inputs: [Tensor?]

  /// Y, Y_h and, for LSTM, Y_c.
  func run() -> [[Double]] {
    let (d, h, b, t) = (item.directions, item.hidden, item.batch, item.steps)
    var y = [Double](repeating: 0, count: t * d * b * h)
    var lastHidden = [Double](repeating: 0, count: d * b * h)
    var lastCell = lastHidden
    for direction in 0..<d {
      for entry in 0..<b {
        let base = (item.layout == 0 ? direction * b + entry : entry * d + direction) * h
        var hidden = (0..<h).map { value(5, base + $0) }
        var cell = (0..<h).map { item.op.type == "LSTM" ? value(6, base + $0) : 0 }
        let length = item.lengths.map { Int($0[entry]) } ?? t
        let order = Array(0..<length)
        for step in item.direction == "reverse" || direction == 1 ? order.reversed() : order {
          advance(direction, entry, step, &hidden, &cell)
          for index in 0..<h {
            let place =
              item.layout == 0
              ? ((step * d + direction) * b + entry) * h : ((entry * t + step) * d + direction) * h
            y[place + index] = hidden[index]
          }
        }
        for index in 0..<h {
          lastHidden[base + index] = hidden[index]
          lastCell[base + index] = cell[index]
        }
      }
    }
    return item.op.type == "LSTM" ? [y, lastHidden, lastCell] : [y, lastHidden]
  }

  private func value(_ input: Int, _ index: Int) -> Double {
    Double(inputs[input]!.withElements(Float.self) { $0[index] })
  }

  private func clipped(_ x: Double) -> Double {
    guard let clip = item.clip.map(Double.init) else { return x }
    return min(max(x, -clip), clip)
  }

  private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-clipped(x))) }

  private func advance(
    _ direction: Int, _ entry: Int, _ step: Int, _ hidden: inout [Double], _ cell: inout [Double]
  ) {
    let (h, g) = (item.hidden, item.gates)
    let row = (item.layout == 0 ? step * item.batch + entry : entry * item.steps + step) * inputSize
    func projected(_ gate: Int, _ index: Int) -> Double {
      let weights = (direction * g * h + gate * h + index) * inputSize
      return (0..<inputSize).reduce(value(3, direction * 2 * g * h + gate * h + index)) {
        $0 + value(0, row + $1) * value(1, weights + $1)
      }
    }
    func recurrent(_ gate: Int, _ index: Int, _ state: [Double]) -> Double {
      let weights = (direction * g * h + gate * h + index) * h
      return (0..<h).reduce(value(3, direction * 2 * g * h + g * h + gate * h + index)) {
        $0 + state[$1] * value(2, weights + $1)
      }
    }
    func total(_ gate: Int, _ index: Int) -> Double {
      projected(gate, index) + recurrent(gate, index, hidden)
    }
    let old = hidden
    switch item.op.type {
    case "RNN": hidden = (0..<h).map { tanh(clipped(total(0, $0))) }
    case "GRU":
      let reset = (0..<h).map { sigmoid(total(1, $0)) }
      let scaled = (0..<h).map { reset[$0] * old[$0] }
      hidden = (0..<h).map { index in
        let product =
          item.isLinear == 1 ? reset[index] * recurrent(2, index, old) : recurrent(2, index, scaled)
        let candidate = tanh(clipped(projected(2, index) + product))
        let update = sigmoid(projected(0, index) + recurrent(0, index, old))
        return (1 - update) * candidate + update * old[index]
      }
    default:
      func peephole(_ number: Int, _ index: Int) -> Double {
        value(7, direction * 3 * h + number * h + index)
      }
      let totals = (0..<4).map { gate in (0..<h).map { total(gate, $0) } }
      for index in 0..<h {
        let input = sigmoid(totals[0][index] + peephole(0, index) * cell[index])
        let forget = sigmoid(totals[2][index] + peephole(2, index) * cell[index])
        let kept = item.couples == 1 ? 1 - input : forget
        cell[index] = kept * cell[index] + input * tanh(clipped(totals[3][index]))
        hidden[index] =
          sigmoid(totals[1][index] + peephole(1, index) * cell[index]) * tanh(cell[index])
      }
    }
  }
}
