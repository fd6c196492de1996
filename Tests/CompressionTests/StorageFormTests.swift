import Tensors
import Testing

@testable import Compression

@Suite struct StorageFormTests {
  /// The graph that a file has for it, an operator at a time: bits, running sum, product, Gather.
  private func unpacked(_ code: BitmaskCode) -> [UInt32] {
    let values = code.values.withBitPatterns { patterns in (0..<patterns.count).map { patterns[$0] } }!
    let bits = code.mask.array(of: UInt8.self).flatMap { byte in (0..<8).map { Int(byte >> UInt8($0)) & 1 } }
    var sum = 0
    let indices = bits.map { bit -> Int in
      sum += bit
      return sum * bit
    }
    return indices.prefix(code.shape.elementCount).map { values[$0] }
  }

  private func patterns(_ tensor: Tensor) -> [UInt32] {
    tensor.withBitPatterns { patterns in (0..<patterns.count).map { patterns[$0] } }!
  }

  private func sparse(_ count: Int, density: Float, seed: UInt64) -> [Float] {
    let values = TestModels.numbers(count, seed: seed)
    return zip(values, TestModels.numbers(count, seed: seed + 1)).map { $1 < 2 * density - 1 ? $0 : 0 }
  }

  @Test(arguments: [0, 1, 7, 8, 9, 64, 1001], [0, 0.1, 0.5, 1] as [Float])
  func masksGiveTheTensorBack(count: Int, density: Float) throws {
    let values = sparse(count, density: density, seed: 20)
    let kept = values.filter { $0 != 0 }.count
    let float = try Tensor(shape: [count], values)
    let code = try #require(try BitmaskCode(float))
    #expect(unpacked(code) == patterns(float))
    #expect(code.mask.shape == [(count + 7) / 8] && code.mask.type == .uint8)
    #expect(code.values.shape == [1 + kept] && code.values.type == .float32)
    #expect(code.byteCount == (count + 7) / 8 + 4 * (1 + kept))
    let half = try Tensor(shape: [count], values.map { Float16($0) })
    #expect(unpacked(try #require(try BitmaskCode(half))) == patterns(half))
    for zeroPoint in [0, 128] {
      let codes = values.map { Int32($0 * 100) + Int32(zeroPoint) }
      let type: ElementType = zeroPoint == 0 ? .int8 : .uint8
      let tensor = try Tensor(codes: codes, as: type, shape: [count])
      let code = try #require(try BitmaskCode(tensor))
      #expect(unpacked(code) == patterns(tensor))
      if density < 0.5 && count > 8 {
        #expect(code.values.integerCodes?.first == Int32(zeroPoint))
      }
    }
  }

  @Test func bitsOfSpecialFloatsAreKept() throws {
    let values: [Float] = [-0.0, 0, .nan, -.infinity, .leastNonzeroMagnitude, 0]
    let tensor = try Tensor(shape: [2, 3], values)
    let code = try #require(try BitmaskCode(tensor))
    #expect(code.shape == [2, 3])
    #expect(unpacked(code) == values.map(\.bitPattern))
    #expect(code.mask.array(of: UInt8.self) == [0b011101])
    #expect(try BitmaskCode(try Tensor(type: .int4, shape: [8])) == nil)
    #expect(try BitmaskCode(try Tensor(type: .int64, shape: [8])) == nil)
    #expect(try TableCode(try Tensor(type: .int64, shape: [8])) == nil)
  }

  /// Distinct values, and the type of the indices; nil: too many.
  @Test(
    arguments: [
      (1, ElementType.uint4), (2, .uint4), (16, .uint4), (17, .uint8), (256, .uint8), (257, nil),
    ] as [(Int, ElementType?)])
  func tablesGiveTheTensorBack(distinct: Int, type: ElementType?) throws {
    let tensor = try Tensor(shape: [3, 257], (0..<771).map { Float($0 * 7 % distinct) - 3 })
    let code = try TableCode(tensor)
    #expect(code?.indices.type == type)
    guard let code else { return }
    #expect(code.indices.shape == tensor.shape && code.values.shape == [distinct])
    let values = code.values.array(of: Float.self)
    #expect(code.indices.integerCodes!.map { values[Int($0)] } == tensor.array(of: Float.self))
    #expect(StorageSurvey(tensor)?.byteCount(.table) == code.byteCount + StorageForm.table.overhead)
  }

  @Test func surveysCount() throws {
    let floats = try Tensor(shape: [5], [0, 1, 1, -0.0, 2] as [Float])
    #expect(
      StorageSurvey(floats)
        == StorageSurvey(elements: 5, width: 4, kept: 4, distinct: 4, isHalf: true))
    for other in [Float(0.1), 65536, .nan, .infinity, .leastNonzeroMagnitude] {
      let tensor = try Tensor(shape: [2], [1, other])
      #expect(StorageSurvey(tensor)?.isHalf == false)
      #expect(StorageSurvey(tensor)?.byteCount(.half) == nil)
    }
    let codes = try Tensor(shape: [5], [128, 128, 0, 128, 1] as [UInt8])
    #expect(
      StorageSurvey(codes)
        == StorageSurvey(elements: 5, width: 1, kept: 2, distinct: 3))
    #expect(StorageSurvey(try Tensor(type: .int4, shape: [5])) == nil)
    let empty = try #require(StorageSurvey(try Tensor(type: .float32, shape: [0])))
    #expect(empty.smallest().form == .plain && empty.smallest().bytes == 0)
  }

  /// Elements, width, kept, distinct; the form that is the smallest.
  @Test(
    arguments: [
      (32768, 4, 32768, nil, StorageForm.plain), (32768, 4, 3277, nil, .bitmask),
      (32768, 1, 3277, 255, .bitmask),
      // A mask saves an eighth less than what it leaves out.
      (32768, 1, 28000, 255, .plain), (32768, 4, 100, nil, .bitmask), (32768, 4, 32768, 16, .table),
      (32768, 4, 32768, 256, .table),
      (32768, 1, 32768, 16, .table), (32768, 1, 32768, 17, .plain), (32768, 4, 3277, 16, .table),
      (32768, 4, 1000, 16, .bitmask),
      // Too little to be worth the nodes.
      (1000, 4, 100, nil, .plain), (1_000_000, 1, 850_000, 255, .plain),
    ] as [(Int, Int, Int, Int?, StorageForm)])
  func theSmallestFormIsChosen(elements: Int, width: Int, kept: Int, distinct: Int?, form: StorageForm) {
    let survey = StorageSurvey(
      elements: elements, width: width, kept: kept, distinct: distinct)
    #expect(survey.smallest().form == form)
    #expect(survey.smallest().bytes == survey.byteCount(form))
  }

  @Test func estimatesAreThoseOfTheEncoders() throws {
    for density in [0.01, 0.3, 0.9] as [Float] {
      let tensor = try Tensor(shape: [64, 65], sparse(64 * 65, density: density, seed: 40))
      let survey = try #require(StorageSurvey(tensor))
      let code = try #require(try BitmaskCode(tensor))
      #expect(survey.byteCount(.bitmask) == code.byteCount + StorageForm.bitmask.overhead)
      #expect(survey.byteCount(.plain) == tensor.byteCount)
    }
  }
}
