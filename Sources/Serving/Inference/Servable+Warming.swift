import Engine
import GraphIR
import Tensors

extension Servable {
  private static let warmingTime = Duration.seconds(5)

  /// Runs one row of zeros, so that the first request finds weights packed and a plan made. Extents that are not
  /// known become 1; a model that refuses such an input, or takes longer than 5 s, is simply left cold.
  func warm() {
    var shapes: [Shape] = []
    for port in inputs {
      guard let dimensions = port.dimensions, port.element != .string else { return }
      shapes.append(Shape(dimensions.map { $0.extent ?? 1 }))
    }
    let end = ContinuousClock.now + Self.warmingTime
    sessions.withSession(on: nil) { session in
      session.isCancelled = { ContinuousClock.now >= end }
      defer { session.isCancelled = nil }
      do throws(EngineError) {
        try session.prepare(shapes)
        for index in shapes.indices {
          session.withInputBytes(index) { $0.initializeMemory(as: UInt8.self, repeating: 0) }
        }
        try session.execute()
      } catch {}
    }
  }
}
