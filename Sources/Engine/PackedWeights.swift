import Synchronization
import Tensors

/// A weight in the layout that a kernel wants, made at most once per node and shared by all sessions.
final class PackedWeights: Sendable {
  private let packed = Mutex<AlignedBuffer?>(nil)

  /// The packed form; `make` is called if nobody has packed the weight yet.
  func get(_ make: () throws -> AlignedBuffer) throws -> AlignedBuffer {
    try packed.withLock { packed in
      if let packed { return packed }
      let made = try make()
      packed = made
      return made
    }
  }
}
