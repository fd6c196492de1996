import Engine
import GraphIR
import Tensors

/// Made-up samples for models that come without data: enough to run and time them, too little to judge them.
///
/// Float inputs are seeded standard normal numbers. Indices stay below the rows of the table that they look up; masks
/// are ones; what the graph compares with a constant is that constant. Open extents are tried one after another.
struct SyntheticSamples {
  private static let rows = 32
  /// Elements of one sample above which fewer are made.
  private static let largeSample = 1 << 17
  private static let largestSample = 1 << 24
  /// What open extents beside the leading one are tried with: small images and token counts, then what networks that
  /// halve their input five times need.
  private static let extents = [64, 224, 128, 512, 32, 16, 8, 1]

  let dataset: Dataset
  /// What open extents were taken as; nil where there were none.
  let extent: Int?

  /// - Parameters:
  ///   - model: whose graph tells what integers mean.
  ///   - runner: the model, compiled; what it does not run on is not taken.
  /// - Returns: nil when an input is of a type or rank for which nothing can be made up, or no extents run.
  /// - Throws: `CompressionError.cancelled`.
  init?(_ model: Model, _ runner: ModelRunner) throws(CompressionError) {
    let ports = runner.program.inputs
    let meanings = InputMeaning.find(in: model)
    for extent in Self.extents {
      guard let dataset = Self.dataset(ports, extent, meanings) else { return nil }
      if try Self.runs(runner, dataset) {
        self.dataset = dataset
        self.extent = Self.hasOpenExtents(ports) ? extent : nil
        return
      }
      if !Self.hasOpenExtents(ports) { return nil }
    }
    return nil
  }

  private static func hasOpenExtents(_ ports: [Port]) -> Bool {
    ports.contains { ($0.dimensions ?? []).dropFirst().contains { $0.extent == nil } }
  }

  private static func dataset(_ ports: [Port], _ extent: Int, _ meanings: [String: InputMeaning]) -> Dataset?
  {
    let layout = BatchLayout(ports)
    var shapes: [[Int]] = []
    for port in ports {
      guard let dimensions = port.dimensions else { return nil }
      // A state `[layers, batch, width]` beside inputs `[batch, …]`: its open extent is the batch.
      let isState = layout == .single && dimensions.first?.extent != nil
      let inner = dimensions.dropFirst().map { $0.extent ?? (isState ? 1 : extent) }
      shapes.append(dimensions.prefix(1).map { $0.extent ?? 1 } + inner)
    }
    // Bounded before anything is multiplied without a check.
    guard let sizes = checkedCounts(shapes) else { return nil }
    let count = sizes.contains { $0 > largeSample } ? 4 : rows
    var random = NormalNumbers()
    var arrays: [(name: String, tensor: Tensor)] = []
    for (port, shape) in zip(ports, shapes) {
      let full: [Int]
      switch layout {
      case .open: full = [count] + shape.dropFirst()
      case .fixed: full = shape
      case .single: full = [count] + shape
      }
      let meaning = meanings[port.name] ?? .unknown(port.name)
      guard let tensor = meaning.tensor(port.element, Shape(full), &random) else { return nil }
      arrays.append((name: port.name, tensor: tensor))
    }
    return try? Dataset(arrays)
  }

  /// Elements of one sample of each input; nil when one is empty or too large.
  private static func checkedCounts(_ shapes: [[Int]]) -> [Int]? {
    let counts = shapes.compactMap { Shape($0).checkedElementCount }
    let isUsable = counts.count == shapes.count && counts.allSatisfy { $0 > 0 && $0 <= largestSample }
    return isUsable ? counts : nil
  }

  private static func runs(_ runner: ModelRunner, _ dataset: Dataset) throws(CompressionError) -> Bool {
    do {
      let binding = try DatasetBinding(dataset, runner.program.inputs)
      _ = try runner.run(binding.inputs(binding.batches(of: 1)[0]))
      return true
    } catch .cancelled {
      throw .cancelled
    } catch {
      return false
    }
  }

  /// Where the rows of a dataset for these inputs are, as `DatasetBinding` reads them.
  private enum BatchLayout {
    case open, fixed, single

    init(_ ports: [Port]) {
      let leading = ports.map { $0.dimensions?.first }
      let extents = Set(leading.compactMap { $0?.extent })
      if leading.allSatisfy({ $0 != nil }) && extents.isEmpty {
        self = .open
      } else if extents.count == 1, leading.allSatisfy({ $0?.extent != nil }) {
        self = .fixed
      } else {
        self = .single
      }
    }
  }
}
