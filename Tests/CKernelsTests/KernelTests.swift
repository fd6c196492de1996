import CKernels
import CKernelsChecks
import Testing

/// One row of the dispatch table on one instruction set of this CPU.
struct KernelCase: CustomTestStringConvertible, Sendable {
  let isa: adze_isa
  let index: Int32
  let testDescription: String

  static let all: [KernelCase] = (0..<UInt32(ADZE_ISA_COUNT)).flatMap { number -> [KernelCase] in
    let isa = adze_isa(rawValue: number)
    guard adze_kernels_for(isa) != nil else {
      print("SKIPPED kernels for \(String(cString: adze_isa_name(isa))): this CPU or build does not have it")
      return []
    }
    return (0..<adze_check_count()).map { index in
      let name = String(cString: adze_check_name(index)) + " " + String(cString: adze_isa_name(isa))
      return KernelCase(isa: isa, index: index, testDescription: name)
    }
  }
}

// Serialized: the checks share one generator of numbers.
@Suite(.serialized) struct KernelTests {
  @Test(arguments: KernelCase.all)
  func kernelIsWithinItsContract(_ kernel: KernelCase) throws {
    let table = try #require(adze_kernels_for(kernel.isa))
    var result = adze_check_run(kernel.index, table)
    let message = withUnsafePointer(to: &result.first_failure) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
        String(cString: $0)
      }
    }
    #expect(result.failed == 0, "\(message)")
    #expect(result.passed > 0)
  }

  @Test func theChosenTableIsOneThatTheCPUHas() throws {
    let chosen = adze_kernels_get()
    #expect(chosen == adze_kernels_for(chosen.pointee.isa))
    #expect(chosen == adze_kernels_get())
    #expect(adze_kernels_for(ADZE_ISA_PORTABLE) != nil)
    #expect(adze_kernels_for(adze_isa(rawValue: 99)) == nil)
  }

  @Test func denormalsAreFlushedOnlyWhenAsked() {
    let before = adze_set_flush_denormals(true)
    let wasOn = adze_set_flush_denormals(false)
    let tiny = Float.leastNonzeroMagnitude * 64
    var product: [Float] = [0]
    adze_kernels_get().pointee.mul_f32(1, 1, [tiny], 0, 1, [0.5], 0, 1, &product, 1)
    #expect(product[0] == tiny * 0.5)
    #expect(product[0] > 0)
    #if arch(x86_64) || arch(arm64)
      #expect(wasOn)
      _ = adze_set_flush_denormals(true)
      adze_kernels_get().pointee.mul_f32(1, 1, [tiny], 0, 1, [0.5], 0, 1, &product, 1)
      #expect(product[0] == 0)
    #endif
    _ = adze_set_flush_denormals(before)
  }
}
