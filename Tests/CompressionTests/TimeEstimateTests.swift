import Testing

@testable import Compression

@Suite struct TimeEstimateTests {
  @Test func steadyWorkIsToldExactly() {
    var estimate = TimeEstimate()
    for second in 1..<100 {
      let left = estimate.update(Double(second) / 100, at: Double(second))
      if second < 2 {
        #expect(left == nil)
      } else {
        #expect(abs((left ?? -1) - Double(100 - second)) < 1e-6)
      }
    }
    #expect(estimate.update(1, at: 100) == 0)
  }

  @Test func tooLittleTellsNothing() {
    var estimate = TimeEstimate()
    #expect(estimate.update(0, at: 10) == nil)
    #expect(estimate.update(0.5, at: 0.1) == nil)
    #expect(estimate.update(0.5, at: 10) == 10)
  }

  @Test func jumpsAreSmoothed() {
    var estimate = TimeEstimate()
    #expect(estimate.update(0.1, at: 10) == 90)
    // The plain estimate falls to 11 at once; what is told falls on the way there.
    let next = estimate.update(0.5, at: 11) ?? 0
    #expect(next > 40 && next < 89)
    var left = next
    for second in 12..<40 {
      let now = estimate.update(0.5, at: Double(second)) ?? -1
      #expect(now >= 0 && now.isFinite)
      left = now
    }
    #expect(abs(left - 39) < 6)
  }

  @Test func aStageWithoutSignsCountsDownAndStaysPositive() {
    var estimate = TimeEstimate()
    #expect(estimate.update(0.5, at: 2) == 2)
    #expect((estimate.update(0.5, at: 2.5) ?? -1) >= 0)
    #expect((estimate.update(0.5, at: 1000) ?? -1) >= 0)
  }
}
