import Synchronization
import Tensors

/// Which form of a weight multiplies how many rows.
struct WeightChoice: Sendable, Hashable {
  /// A product of r rows goes by the largest of these that is not above r.
  static let rowClasses = [1, 2, 4, 8, 16, 32, 64]

  /// One for each row class.
  let kinds: [WeightFormKind]

  static func rowClass(_ rows: Int) -> Int { rowClasses.lastIndex { $0 <= rows } ?? 0 }

  func kind(rows: Int) -> WeightFormKind { kinds[Self.rowClass(rows)] }

  init(kinds: [WeightFormKind]) { self.kinds = kinds }

  /// From the time that each form took for each row class, `times[form][class]`.
  ///
  /// The form that is best for many rows is packed in any case; another one only where it is faster by more than
  /// what it costs in memory. The first form, the dense one, stays best where no other is clearly faster, so that a doubtful
  /// measurement makes no model slower.
  init(fastestOf kinds: [WeightFormKind], times: [[Int]]) {
    func fastest(_ row: Int) -> Int { kinds.indices.min { times[$0][row] < times[$1][row] } ?? 0 }
    let most = Self.rowClasses.count - 1
    let main = times[fastest(most)][most] * 20 < times[0][most] * 19 ? fastest(most) : 0
    self.kinds = Self.rowClasses.indices.map { row in
      let best = fastest(row)
      return times[best][row] * 10 < times[main][row] * 9 ? kinds[best] : kinds[main]
    }
  }

  /// Without measuring: densities at which the sparse forms were faster on every instruction set.
  init(rule density: WeightDensity, bits: Int) {
    kinds = Self.rowClasses.map { rows in
      if bits == 8 { return density.elements <= 0.15 ? .sparseColumns : .dense }
      if density.isTwoOfFour && rows <= 16 { return .twoOfFour }
      if density.panelRows <= 0.4 { return .sparsePanel }
      return rows >= 8 && density.elements <= 0.15 ? .sparse : .dense
    }
  }
}

/// What this process has measured. Equal shapes of about equal density are measured once.
enum WeightChoices {
  /// Measuring ends when all of it together took this long; `WeightChoice.init(rule:)` decides from then on.
  static let budget = 2_000_000_000

  private struct Key: Hashable {
    let depth: Int
    let columns: Int
    let bits: Int
    /// In steps of 5 % of the matrix, from 5 % downwards in steps of 1 %.
    let elements: Int
    let quads: Int
    let panelRows: Int
    let isTwoOfFour: Bool

    init(_ depth: Int, _ columns: Int, _ bits: Int, _ density: WeightDensity) {
      func step(_ share: Double) -> Int { share < 0.05 ? Int(share * 100) : 5 + Int(share * 20) }
      (self.depth, self.columns, self.bits) = (depth, columns, bits)
      (elements, quads) = (step(density.elements), step(density.quads))
      panelRows = step(density.panelRows)
      isTwoOfFour = density.isTwoOfFour
    }
  }

  private struct Record {
    var choices: [Key: WeightChoice] = [:]
    var nanoseconds = 0
  }

  // Held while measuring, so that measurements do not disturb each other.
  private static let record = Mutex(Record())

  /// The choice for a matrix of this density; `forms` packs it in every form that may be chosen.
  /// - Parameter bits: of an element.
  static func choice(
    depth: Int, columns: Int, bits: Int, _ density: WeightDensity, forms: () throws -> [any WeightForm]
  ) throws -> WeightChoice {
    let key = Key(depth, columns, bits, density)
    return try record.withLock { record in
      if let choice = record.choices[key] { return choice }
      if record.nanoseconds >= budget { return WeightChoice(rule: density, bits: bits) }
      let start = MonotonicClock.nanoseconds
      let forms = try forms()
      let times = try WeightTiming.measure(forms, depth: depth, columns: columns)
      let choice = WeightChoice(fastestOf: forms.map(\.kind), times: times)
      record.choices[key] = choice
      record.nanoseconds += MonotonicClock.nanoseconds - start
      return choice
    }
  }
}
