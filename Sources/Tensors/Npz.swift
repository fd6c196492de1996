/// numpy's archive of named arrays: a zip of `.npy` members, stored or deflated.
public enum Npz {
  /// What the elements of one archive may take in memory unless the caller says otherwise: 4 GiB.
  public static let defaultMaximumBytes = 4 << 30

  /// The arrays of the file at `path`, in the order of its directory, without the `.npy` suffix.
  /// - Throws: as `read(bytes:maximumBytes:)`; `.malformedFile` when the file cannot be read.
  public static func read(
    path: String, maximumBytes: Int = defaultMaximumBytes
  ) throws(TensorError) -> [(name: String, tensor: Tensor)] {
    let file: MappedFile
    do {
      file = try FileBytes.map(path: path)
    } catch {
      throw .malformedFile("\(error)")
    }
    defer { withExtendedLifetime(file) {} }
    return try read(bytes: file.bytes, maximumBytes: maximumBytes)
  }

  /// The arrays of the archive `bytes`.
  /// - Parameter maximumBytes: bound of the sum of all members after inflating, checked before any is inflated.
  /// - Throws: `TensorError.malformedFile` for damage, for a member that is not `.npy`, or when the members take
  ///   more than `maximumBytes`; what `Npy.decode` throws.
  public static func read(
    bytes: UnsafeRawBufferPointer, maximumBytes: Int
  ) throws(TensorError) -> [(name: String, tensor: Tensor)] {
    let zip = try ZipReader(bytes)
    var room = maximumBytes
    for member in zip.members {
      if member.size > room { throw .malformedFile("npz arrays take more than \(maximumBytes) bytes") }
      room -= member.size
    }
    var arrays: [(name: String, tensor: Tensor)] = []
    for member in zip.members {
      guard member.name.hasSuffix(".npy") else {
        throw .malformedFile("npz member '\(member.name)' is not an .npy file")
      }
      let name = String(member.name.dropLast(4))
      let tensor: Tensor
      do {
        tensor = try zip.withContents(of: member) { contents throws(TensorError) in try Npy.decode(contents) }
      } catch {
        throw .malformedFile("array '\(name)': \(error)")
      }
      arrays.append((name: name, tensor: tensor))
    }
    return arrays
  }

  /// The bytes of an archive of stored members; equal arrays give equal bytes.
  /// - Throws: `TensorError.malformedFile` for two arrays of one name, a name over 65,531 bytes, or an element
  ///   type that numpy does not have.
  public static func encode(_ arrays: [(name: String, tensor: Tensor)]) throws(TensorError) -> [UInt8] {
    var zip = ZipWriter()
    var names: Set<String> = []
    for (name, tensor) in arrays {
      if !names.insert(name).inserted { throw .malformedFile("two arrays are named '\(name)'") }
      if name.utf8.count > 65_531 { throw .malformedFile("array name of \(name.utf8.count) bytes") }
      zip.add(name: name + ".npy", contents: try Npy.encode(tensor))
    }
    return zip.finish()
  }

  /// Writes the archive to `path`, replacing what is there.
  /// - Throws: as `encode`; `.malformedFile` when the file cannot be written.
  public static func write(_ arrays: [(name: String, tensor: Tensor)], path: String) throws(TensorError) {
    let bytes = try encode(arrays)
    do {
      try FileBytes.write(bytes, path: path)
    } catch {
      throw .malformedFile("\(error)")
    }
  }
}
