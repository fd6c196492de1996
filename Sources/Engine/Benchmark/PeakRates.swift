import CKernels
import Glibc
import Tensors

/// What one core of this machine can do at most with the chosen instruction set, as measured now.
public struct PeakRates: Sendable {
  /// Where data lie, and how fast they come from there.
  public struct Level: Sendable {
    /// `L2`, `L3` or `memory`.
    public let name: String
    /// Bytes that this level holds; the last one holds any number.
    public let capacity: Int
    /// 10^9 bytes a second: reading alone or copying (read and written bytes), whichever is more.
    public let gigabytesPerSecond: Double
  }

  /// 10^9 operations a second, a multiplication with addition being two.
  public let float32: Double
  /// The same of 8-bit integers, by the fastest exact way.
  public let int8: Double
  /// From the nearest to the farthest.
  public let levels: [Level]

  /// Measures for about a third of a second on the calling thread: the best of several short runs, so that other work
  /// on the machine takes little from the result.
  /// - Throws: `TensorError.outOfMemory`.
  public static func measured() throws(TensorError) -> PeakRates {
    let table = Kernels.current
    return PeakRates(
      float32: try multiplications(table), int8: try integerMultiplications(table),
      levels: try caches().map { name, capacity, bytes throws(TensorError) in
        Level(name: name, capacity: capacity, gigabytesPerSecond: try bandwidth(bytes, table))
      })
  }

  private static func multiplications(_ table: adze_kernels) throws(TensorError) -> Double {
    let sums = try AlignedBuffer(byteCount: Int(ADZE_PEAK_COUNT) * 4)
    let rounds = 20_000
    let time = bestTime(rounds: 12) { table.peak_f32(rounds, 0.5, 1, sums.floats) }
    return 2 * Double(ADZE_PEAK_COUNT) * Double(rounds) / time
  }

  private static func integerMultiplications(_ table: adze_kernels) throws(TensorError) -> Double {
    let places = Int(ADZE_PEAK_COUNT), depth = Int(ADZE_PEAK_DEPTH)
    let a = try AlignedBuffer(byteCount: depth)
    let b = try AlignedBuffer(byteCount: places * depth)
    let sums = try AlignedBuffer(byteCount: places * 4)
    a.bytes.copyBytes(from: (0..<depth).map { UInt8($0 * 9) })
    b.bytes.copyBytes(from: (0..<places * depth).map { UInt8(bitPattern: Int8($0 % 33 - 16)) })
    let rounds = 5_000
    let time = bestTime(rounds: 12) {
      table.peak_i8(
        rounds, a.bytes.baseAddress!.assumingMemoryBound(to: UInt8.self),
        b.bytes.baseAddress!.assumingMemoryBound(to: Int8.self),
        sums.bytes.baseAddress!.assumingMemoryBound(to: Int32.self))
    }
    return 2 * Double(places * depth) * Double(rounds) / time
  }

  /// Name, capacity and the bytes to measure it with. Where the system does not tell the sizes, usual ones.
  private static func caches() -> [(String, Int, Int)] {
    let second = max(sysconf(Int32(_SC_LEVEL2_CACHE_SIZE)), 0)
    let third = max(sysconf(Int32(_SC_LEVEL3_CACHE_SIZE)), 0)
    let near = second > 0 ? second : 512 << 10
    // Virtual machines report a cache that others use too.
    let far = min(third > near ? third : 8 << 20, 32 << 20)
    return [("L2", near, near / 2), ("L3", far, far / 2), ("memory", .max, 128 << 20)]
  }

  private static func bandwidth(_ bytes: Int, _ table: adze_kernels) throws(TensorError) -> Double {
    let block = try AlignedBuffer(byteCount: bytes)
    let repeats = max(1, (4 << 20) / bytes)
    var sum: UInt32 = 0
    let reading = bestTime(rounds: 8) {
      for _ in 0..<repeats { sum ^= table.peak_read(block.floats, bytes / 4) }
    }
    precondition(sum == 0, "the exclusive or of zeros")
    let half = bytes / 2
    let copying = bestTime(rounds: 8) {
      for _ in 0..<repeats { memcpy(block.bytes.baseAddress! + half, block.bytes.baseAddress!, half) }
    }
    return Double(bytes * repeats) / min(reading, copying)
  }

  /// Nanoseconds of the fastest call, after one to warm up.
  static func bestTime(rounds: Int, _ body: () -> Void) -> Double {
    body()
    var best = Int.max
    for _ in 0..<rounds {
      let start = MonotonicClock.nanoseconds
      body()
      best = min(best, MonotonicClock.nanoseconds - start)
    }
    return Double(max(1, best))
  }
}

/// How fast some work was done.
public struct WorkRate: Sendable {
  /// 10^9 operations a second; 0 for work without multiplications.
  public let gigaoperations: Double
  /// 10^9 bytes of operands a second.
  public let gigabytes: Double
  /// The larger share of what the machine can do, computing or moving. Above 1 when data were nearer than their size
  /// says, or when the algorithm takes fewer operations than are counted (Winograd, sparse weights).
  public let peakShare: Double
  /// Whether the share is that of operations rather than of bytes.
  public let isComputing: Bool
}

extension PeakRates {
  /// - Parameters:
  ///   - kernel: its name, which tells float32 from 8-bit integers.
  ///   - threads: how many worked; the peak is that of one, times their number.
  ///   - largest: bytes of the largest part, when the work is that of several nodes; it tells the level.
  public func rate(
    _ work: NodeWork, kernel: String, nanoseconds: Double, threads: Int = 1, largest: Int? = nil
  ) -> WorkRate {
    let time = max(nanoseconds, 1)
    let operations = 2 * Double(work.multiplyAccumulates) / time
    let bytes = Double(work.bytes) / time
    let level = levels.first { (largest ?? work.bytes) <= $0.capacity } ?? levels[levels.count - 1]
    let peak = Self.countsIntegers(kernel) ? int8 : float32
    let computing = operations / (peak * Double(threads))
    let moving = bytes / (level.gigabytesPerSecond * Double(threads))
    return WorkRate(
      gigaoperations: operations, gigabytes: bytes, peakShare: max(computing, moving),
      isComputing: computing >= moving && operations > 0)
  }

  private static func countsIntegers(_ kernel: String) -> Bool {
    kernel.split(separator: " ").first?.split(separator: "_").contains { $0 == "i8" || $0 == "u8" } ?? false
  }
}

extension AlignedBuffer {
  var floats: UnsafeMutablePointer<Float> { bytes.baseAddress!.assumingMemoryBound(to: Float.self) }
}
