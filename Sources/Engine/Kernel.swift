import Tensors

/// The computation of one node for fixed shapes: phases that run one after the other, each cut into pieces
/// that may run at the same time on different threads.
///
/// A piece must compute the same result whatever thread runs it and however many there are: split over
/// output elements, never over a sum.
struct Kernel {
  struct Phase {
    let pieces: Int
    let body: (KernelOperands, Int) throws -> Void
  }

  /// For profiles: `gemm_f32 avx2`.
  let name: String
  let phases: [Phase]
  /// Bytes that all pieces share, and that each thread has for itself; 64-byte aligned, not cleared.
  let sharedScratch: Int
  let threadScratch: Int
  /// Inputs that the kernel has in a form of its own and does not read: their elements need not be in memory.
  var unread: Set<Int> = []

  init(_ name: String, phases: [Phase], sharedScratch: Int = 0, threadScratch: Int = 0) {
    self.name = name
    self.phases = phases
    self.sharedScratch = sharedScratch
    self.threadScratch = threadScratch
  }

  /// A kernel of one phase. `body` gets the operands and the index of the piece.
  init(
    _ name: String, pieces: Int = 1, threadScratch: Int = 0,
    body: @escaping (KernelOperands, Int) throws -> Void
  ) {
    self.init(name, phases: [Phase(pieces: pieces, body: body)], threadScratch: threadScratch)
  }

  /// A kernel over `count` units (rows, elements) that gives each piece a range of them, with about
  /// `costPerUnit` elementary steps for each unit: small work stays in one piece.
  init(
    _ name: String, units count: Int, costPerUnit: Int, threads: Int, threadScratch: Int = 0,
    body: @escaping (KernelOperands, Range<Int>) throws -> Void
  ) {
    let split = WorkSplit(units: count, costPerUnit: costPerUnit, threads: threads)
    self.init(name, pieces: split.pieces, threadScratch: threadScratch) { operands, piece in
      try body(operands, split.range(of: piece))
    }
  }

  /// For nodes that have nothing to do, as all outputs are empty.
  static var nothing: Kernel { Kernel("empty", phases: []) }
}

/// How units of work are cut into pieces.
struct WorkSplit {
  /// Elementary steps below which a piece costs more to hand out than it gains.
  static let minimumCost = 16_384
  /// More pieces than threads, so that a thread that is held up does not hold up all.
  static let piecesPerThread = 4

  let units: Int
  let unitsPerPiece: Int
  let pieces: Int

  /// - Parameter granularity: pieces start at multiples of it.
  init(units: Int, costPerUnit: Int, threads: Int, granularity: Int = 1) {
    self.units = units
    let cost = max(1, costPerUnit)
    let smallest = max(1, WorkSplit.minimumCost / cost)
    let even = threads <= 1 ? units : (units - 1) / (threads * WorkSplit.piecesPerThread) + 1
    let wanted = max(1, smallest, even)
    let granules = (wanted - 1) / granularity + 1
    unitsPerPiece = granules * granularity
    pieces = units <= 0 ? 0 : (units - 1) / unitsPerPiece + 1
  }

  func range(of piece: Int) -> Range<Int> {
    let start = piece * unitsPerPiece
    return start..<min(units, start + unitsPerPiece)
  }
}

/// Where a kernel's operands lie during one run. Pointers only, so that passing it costs nothing.
struct KernelOperands {
  /// Inputs, then outputs; nil for omitted ones.
  let pointers: UnsafePointer<UnsafeMutableRawPointer?>
  let inputCount: Int
  let sharedScratch: UnsafeMutableRawPointer
  /// How many requests of equal size the rows of this run belong to.
  var requests = 1
  /// Of the thread that runs the piece.
  var threadScratch: UnsafeMutableRawPointer

  func hasInput(_ index: Int) -> Bool { index < inputCount && pointers[index] != nil }

  // The planner gives every operand that `prepare` was told of a place, so these are there.
  @inline(__always)
  func input<T>(_ index: Int, as _: T.Type = T.self) -> UnsafePointer<T> {
    UnsafePointer(pointers[index]!.assumingMemoryBound(to: T.self))
  }

  @inline(__always)
  func output<T>(_ index: Int = 0, as _: T.Type = T.self) -> UnsafeMutablePointer<T> {
    pointers[inputCount + index]!.assumingMemoryBound(to: T.self)
  }

  @inline(__always)
  func rawInput(_ index: Int) -> UnsafeRawPointer { UnsafeRawPointer(pointers[index]!) }

  @inline(__always)
  func rawOutput(_ index: Int = 0) -> UnsafeMutableRawPointer { pointers[inputCount + index]! }
}
