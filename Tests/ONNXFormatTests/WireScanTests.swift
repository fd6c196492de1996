import Testing

@testable import ONNXFormat

struct WireScanTests {
  private func check(_ bytes: [UInt8], limits: LoadLimits = .init()) throws {
    try bytes.withUnsafeBytes { try WireScan.check($0, as: .model, limits: limits) }
  }

  /// `inner` as length-delimited field `number`.
  private func field(_ number: UInt8, _ inner: [UInt8]) -> [UInt8] {
    var length: [UInt8] = []
    var rest = inner.count
    repeat {
      length.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return [number << 3 | 2] + length + inner
  }

  @Test func acceptsAModel() throws {
    try check([0x08, 0x0A] + field(7, field(1, field(4, Array("Relu".utf8)))))
  }

  @Test(arguments: [
    [0x3A, 0x05, 0x00] as [UInt8], [0x08], [0x08, 0x80], [0x3A], [0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
    [0x0B], [0x0C], [0x00, 0x01], [0x09, 1, 2], [0x0D, 1],
    [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
  ])
  func refusesBrokenBytes(_ bytes: [UInt8]) {
    #expect { try check(bytes) } throws: { error in
      if case .malformed = error as? ONNXFormatError { true } else { false }
    }
  }

  @Test func everyTruncationIsRefusedOrDecodes() throws {
    let model = [0x08, 0x0A] + field(7, field(5, field(9, [1, 2, 3, 4]) + field(8, [0x77])))
    for count in 0..<model.count {
      let part = Array(model[..<count])
      do {
        try check(part)
        #expect(count == 0 || count == 2, "a cut at byte \(count) went unseen")
      } catch is ONNXFormatError {}
    }
  }

  @Test func refusesDeepNesting() {
    // graph > node > attribute > graph …
    var bytes = field(2, [0x78])
    for _ in 0..<40 { bytes = field(1, field(5, field(6, bytes))) }
    #expect(throws: ONNXFormatError.tooDeep(limit: 100)) { try check(field(7, bytes)) }
  }

  @Test func refusesManyMessages() {
    let nodes = (0..<1000).flatMap { _ in field(1, []) }
    var limits = LoadLimits()
    limits.messages = 1000
    #expect(throws: ONNXFormatError.tooManyMessages(limit: 1000)) {
      try check(field(7, nodes), limits: limits)
    }
    limits.messages = 1002
    #expect(throws: Never.self) { try check(field(7, nodes), limits: limits) }
  }

  @Test func countsWhatPackedIntegersBecome() {
    let tensor = field(7, [UInt8](repeating: 0, count: 1000))
    var limits = LoadLimits()
    limits.decodedBytes = 8000
    #expect(throws: ONNXFormatError.self) { try check(field(7, field(5, tensor)), limits: limits) }
    limits.decodedBytes = 9000
    #expect(throws: Never.self) { try check(field(7, field(5, tensor)), limits: limits) }
  }

  @Test func refusesLargeFiles() {
    var limits = LoadLimits()
    limits.fileBytes = 3
    #expect(throws: ONNXFormatError.tooLarge(bytes: 4, limit: 3)) { try check([8, 1, 8, 1], limits: limits) }
  }
}
