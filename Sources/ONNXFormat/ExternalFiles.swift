#if canImport(Glibc)
  import Glibc
#endif
internal import Tensors

/// The files beside a model that hold tensors' elements, mapped when first asked for.
///
/// A location comes from the model and is not to be trusted: it is walked one component at a time from the
/// model's directory, following no symbolic link, and the file must be regular and have one name only, so that
/// nothing outside the directory can be read through it.
struct ExternalFiles {
  private let directory: String?
  private var mapped: [String: MappedFile] = [:]

  init(directory: String?) { self.directory = directory }

  /// - Parameter tensor: whose elements these are, for messages.
  mutating func file(at location: String, tensor: String) throws(ONNXFormatError) -> MappedFile {
    if let file = mapped[location] { return file }
    guard let directory else {
      throw .externalData(tensor: tensor, reason: "the model came without the files beside it")
    }
    func refuse(_ reason: String) -> ONNXFormatError {
      .externalData(tensor: tensor, reason: "location '\(location)' \(reason)")
    }
    let components = location.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }
    if location.utf8.contains(0) { throw refuse("contains a zero byte") }
    if location.hasPrefix("/") { throw refuse("is absolute") }
    if components.contains("..") { throw refuse("leaves the model's directory") }
    guard let name = components.last else { throw refuse("names no file") }

    var folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder < 0 { throw .file(.cannotOpen(path: directory, code: errno)) }
    defer { close(folder) }
    for component in components.dropLast() {
      let next = openat(folder, String(component), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if next < 0 { throw refuse("cannot be opened: \(Self.explain(errno))") }
      close(folder)
      folder = next
    }
    // Not blocking, so that a named pipe cannot hold the reader up.
    let descriptor = openat(folder, String(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 { throw refuse("cannot be opened: \(Self.explain(errno))") }
    defer { close(descriptor) }
    var status = stat()
    if fstat(descriptor, &status) != 0 || status.st_mode & S_IFMT != S_IFREG {
      throw refuse("is not a regular file")
    }
    if status.st_nlink != 1 { throw refuse("has another name (a hard link)") }
    do throws(FileError) {
      let file = try MappedFile(descriptor: descriptor, name: location)
      mapped[location] = file
      return file
    } catch {
      throw .file(error)
    }
  }

  private static func explain(_ code: Int32) -> String {
    switch code {
    case ELOOP: "it is a symbolic link"
    case ENOENT: "there is no such file"
    // What O_DIRECTORY with O_NOFOLLOW says of a link.
    case ENOTDIR: "a part of it is a symbolic link or no directory"
    default: String(cString: strerror(code))
    }
  }
}
