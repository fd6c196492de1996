import CNghttp2

/// Fields in libnghttp2's form. One per loop; reused, so that a response's head costs no allocation.
final class HeaderBlock {
  private var text: [UInt8] = []
  private var lengths: [(name: Int, value: Int)] = []
  private var entries: [nghttp2_nv] = []

  func removeAll() {
    text.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
  }

  func add(_ name: StaticString, _ value: some Collection<UInt8>) {
    text.append(contentsOf: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    text.append(contentsOf: value)
    lengths.append((name.utf8CodeUnitCount, value.count))
  }

  func add(_ headers: HTTPHeaders, keepsLength: Bool) {
    ResponseFields.forEach(headers, keepsLength: keepsLength) { name, value in
      text.append(contentsOf: name)
      ResponseFields.append(value, to: &text)
      lengths.append((name.count, value.count))
    }
  }

  /// The fields, valid during the call.
  func withEntries<R>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> R) -> R {
    entries.removeAll(keepingCapacity: true)
    return text.withUnsafeMutableBufferPointer { text in
      var position = text.baseAddress!
      for length in lengths {
        let flags = UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)
        entries.append(
          nghttp2_nv(
            name: position, value: position + length.name, namelen: length.name, valuelen: length.value,
            flags: flags))
        position += length.name + length.value
      }
      return entries.withUnsafeBufferPointer { body($0.baseAddress!, $0.count) }
    }
  }
}
