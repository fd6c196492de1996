import Engine
import Tensors

/// One run of a model for the rows of one or more requests: gather, execute, split.
enum BatchRun {
  struct Outcome {
    /// Wanted outputs per slice, in the request's order.
    var outputs: [[Tensor]]
    /// Rows that were run.
    var rows: Int
    var times: RunTimes
  }

  enum Failure: Error, Equatable {
    case cancelled
    /// An output does not have one row per input row.
    case notByRows
    case failed(ServingError)

    var error: ServingError {
      switch self {
      case .cancelled: .cancelled
      case .notByRows: .inference(reason: "the model's outputs cannot be divided by rows")
      case .failed(let error): error
      }
    }
  }

  static func run(
    _ slices: [BatchSlice], on session: Session, clock: any ServingClock
  ) -> Result<Outcome, Failure> {
    do throws(Failure) {
      var times = RunTimes()
      let started = clock.now()
      try gather(slices, into: session)
      let gathered = clock.now()
      do throws(EngineError) { try session.execute() } catch { throw failure(error) }
      let executed = clock.now()
      let outputs = try split(slices, of: session)
      times.input = started.duration(to: gathered).nanoseconds
      times.infer = gathered.duration(to: executed).nanoseconds
      times.output = executed.duration(to: clock.now()).nanoseconds
      return .success(Outcome(outputs: outputs, rows: slices.reduce(0) { $0 + $1.rows.count }, times: times))
    } catch {
      return .failure(error)
    }
  }

  private static func failure(_ error: EngineError) -> Failure {
    switch error {
    case .cancelled: .cancelled
    case .inputShape(let name, let expected, let actual):
      .failed(.invalidInput(name: name, reason: "expected shape \(expected), got \(actual)"))
    case .memoryLimit: .failed(.invalidRequest(reason: "a run of this request \(error)"))
    default: .failed(.inference(reason: "\(error)"))
    }
  }

  /// What is wrong before the first node runs lies in the request's shapes.
  private static func unfit(_ error: EngineError) -> Failure {
    if case .invalidOperation = error {
      return .failed(.invalidRequest(reason: "the shapes of the inputs do not fit the model: \(error)"))
    }
    return failure(error)
  }

  /// True when the slice is a request's every row, so that no copying by rows is needed.
  private static func isWhole(_ slice: BatchSlice) -> Bool {
    slice.pending.rows.map { $0 == slice.rows.count } ?? true
  }

  // MARK: Gather

  private static func gather(_ slices: [BatchSlice], into session: Session) throws(Failure) {
    let first = slices[0].pending.request.inputs
    let rows = slices.reduce(0) { $0 + $1.rows.count }
    let isSingle = slices.count == 1 && isWhole(slices[0])
    var shapes: [Shape] = []
    for case let tensor? in first {
      shapes.append(isSingle ? tensor.shape : Shape([rows] + tensor.shape.dimensions.dropFirst()))
    }
    do throws(EngineError) { try session.prepare(shapes) } catch { throw unfit(error) }
    session.requestsPerRun = isSingle ? 1 : slices.count
    for (index, tensor) in first.enumerated() {
      guard let tensor else { continue }
      if tensor.type == .string {
        session.setInput(index, try joinedStrings(slices, index, shapes[index]))
      } else {
        session.withInputBytes(index) { copy(slices, index, to: $0) }
      }
    }
  }

  private static func copy(
    _ slices: [BatchSlice], _ index: Int, to destination: UnsafeMutableRawBufferPointer
  ) {
    var offset = 0
    for slice in slices {
      guard let tensor = slice.pending.request.inputs[index] else { continue }
      tensor.withBytes { bytes in
        let part = isWhole(slice) ? bytes : rows(slice.rows, of: slice.pending.rows ?? 1, in: bytes)
        UnsafeMutableRawBufferPointer(rebasing: destination[offset..<offset + part.count]).copyMemory(
          from: part)
        offset += part.count
      }
    }
  }

  private static func rows(
    _ rows: Range<Int>, of total: Int, in bytes: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer {
    let width = bytes.count / max(total, 1)
    return UnsafeRawBufferPointer(rebasing: bytes[rows.lowerBound * width..<rows.upperBound * width])
  }

  private static func joinedStrings(
    _ slices: [BatchSlice], _ index: Int, _ shape: Shape
  ) throws(Failure) -> Tensor {
    var all: [String] = []
    for slice in slices {
      let strings = slice.pending.request.inputs[index]?.strings ?? []
      let width = strings.count / max(slice.pending.rows ?? 1, 1)
      all +=
        isWhole(slice) ? strings[...] : strings[slice.rows.lowerBound * width..<slice.rows.upperBound * width]
    }
    do throws(TensorError) {
      return try Tensor(shape: shape, strings: all)
    } catch {
      throw .failed(.inference(reason: "\(error)"))
    }
  }

  // MARK: Split

  private static func split(_ slices: [BatchSlice], of session: Session) throws(Failure) -> [[Tensor]] {
    if slices.count == 1 && isWhole(slices[0]) {
      return [slices[0].pending.request.outputs.map { session.output($0) }]
    }
    let rows = slices.reduce(0) { $0 + $1.rows.count }
    var result: [[Tensor]] = []
    var start = 0
    for slice in slices {
      var outputs: [Tensor] = []
      for index in slice.pending.request.outputs {
        outputs.append(try part(start..<start + slice.rows.count, of: rows, session, index))
      }
      start += slice.rows.count
      result.append(outputs)
    }
    return result
  }

  private static func part(
    _ range: Range<Int>, of total: Int, _ session: Session, _ index: Int
  ) throws(Failure) -> Tensor {
    let shape = session.outputShape(index)
    if shape.dimensions.first != total { throw .notByRows }
    let partShape = Shape([range.count] + shape.dimensions.dropFirst())
    let output: Result<Tensor, TensorError>
    if session.program.outputs[index].element == .string {
      let strings = session.output(index).strings ?? []
      let width = strings.count / total
      let part = strings[range.lowerBound * width..<range.upperBound * width]
      output = made { () throws(TensorError) in try Tensor(shape: partShape, strings: Array(part)) }
    } else {
      let type = session.program.outputs[index].element
      output = session.withOutputBytes(index) { bytes in
        made { () throws(TensorError) in
          try Tensor(type: type, shape: partShape, copying: rows(range, of: total, in: bytes))
        }
      }
    }
    do throws(TensorError) { return try output.get() } catch { throw .failed(.inference(reason: "\(error)")) }
  }

  private static func made(_ body: () throws(TensorError) -> Tensor) -> Result<Tensor, TensorError> {
    do throws(TensorError) { return .success(try body()) } catch { return .failure(error) }
  }
}
